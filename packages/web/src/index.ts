export { isPublic } from "./address.ts";
export { AllowError } from "./allow.ts";
export type { Connect, Target } from "./connect.ts";
export { judgeUrl } from "./judge-url.ts";
export { openWeb } from "./open-web.ts";
export type { Resolve } from "./targets.ts";
export type { GetOptions, Got, Posted, PostOptions, Web, WebOptions } from "./web.ts";
export { WebError, type WebErrorCode } from "./web-error.ts";
