export { csvReport } from "./csv-report.ts";
export { htmlReport, type ReportParts } from "./html-report.ts";
export { jsonReport } from "./json-report.ts";
export { livePage, type LivePageParts } from "./live-page.ts";
export { isClean } from "./needs.ts";
export { livePolicy, reportPolicy } from "./policy.ts";
