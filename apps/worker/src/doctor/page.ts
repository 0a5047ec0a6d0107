import { stripVTControlCharacters } from "node:util";
import { sayUsd } from "@reelq/contract";
import type { Check } from "./check.ts";
import type { ShownLane, ShownSettings, ShownUpstream } from "./settings.ts";
import { spell } from "./time.ts";

const columns = 80;

type Row = readonly [label: string, text: string];

/** Settings and checks for people, in lines of 80 columns, but for words that are longer. */
export function pageOf(settings: ShownSettings, checks: readonly Check[]): string {
  const { upstreams, lanes, equivalents } = settings;
  const sections: readonly (readonly [title: string, rows: readonly Row[]])[] = [
    ["Settings", settingRows(settings)],
    ...upstreams.map((upstream) => [`Upstream ${upstream.name}`, upstreamRows(upstream)] as const),
    ["Lanes", lanes.map((lane) => [lane.name, tellLane(lane)] as const)],
    ...(equivalents.length > 0 ? [["Equivalents", equivalents.map(equivalentRow)] as const] : []),
    ["Checks", checks.flatMap(checkRows)],
  ];
  return `${sections.map(([title, rows]) => `${title}\n${table(rows)}\n`).join("\n")}\n${summaryOf(checks)}\n`;
}

function settingRows(settings: ShownSettings): Row[] {
  const { storageUrl, storagePlace, changedTimings } = settings;
  const secretOr = (shown: string | null) => shown ?? "not set; AWS's own places are asked";
  const bucket: readonly Row[] = [
    ["AWS_ENDPOINT_URL_S3", settings.awsEndpointUrl ?? "not set"],
    ["AWS_REGION", settings.awsRegion ?? "not set"],
    ["AWS_ACCESS_KEY_ID", secretOr(settings.awsAccessKeyId)],
    ["AWS_SECRET_ACCESS_KEY", secretOr(settings.awsSecretAccessKey)],
    ["AWS_SESSION_TOKEN", settings.awsSessionToken ?? "not set"],
  ];
  const timings = Object.entries(changedTimings).map(([name, ms]) => `${name.replace(/Ms$/, "")} ${spell(ms)}`);
  return [
    ["REDIS_URL", settings.redisUrl],
    ["--prefix", settings.prefix],
    ["STORAGE_URL", storageUrl === storagePlace ? storageUrl : `${storageUrl} (${storagePlace})`],
    ...(storageUrl.startsWith("s3:") ? bucket : []),
    ["REELQ_CONFIG", settings.configPath ?? "not set"],
    ["REELQ_IN_DOUBT", settings.inDoubt],
    ["REELQ_CONCURRENCY", String(settings.concurrency)],
    ["LOG_LEVEL", settings.logLevel],
    ["budgets", tellBudgets(settings.budgets)],
    ["timings", timings.length === 0 ? "the defaults" : `${timings.join(", ")}; the defaults else`],
  ];
}

function tellBudgets({ timeZone, caps }: ShownSettings["budgets"]): string {
  if (caps.length === 0) return "none";
  const told = caps.map(({ of, perDay, total }) => {
    const parts = [
      ...(perDay === null ? [] : [`${sayUsd(perDay)} a day`]),
      ...(total === null ? [] : [`${sayUsd(total)} in all`]),
    ];
    return `${of} ${parts.join(", ")}`;
  });
  return `${told.join("; ")} (days end at midnight in ${timeZone})`;
}

function upstreamRows({ url, key, format, capabilities, limits, timeouts, ...upstream }: ShownUpstream): Row[] {
  const { list, range, remix, variants } = capabilities;
  const retention = spell(upstream.retentionMs);
  const given = Object.entries(timeouts).map(([name, seconds]) => `${name} ${seconds}`);
  return [
    ["url", url],
    ["key", key ?? "not set"],
    ["format", format],
    ["capabilities", `list ${list}, range ${range}, remix ${remix}, variants ${variants}`],
    ["retention", `${retention}${upstream.retentionAssumed ? " is assumed" : ""}, where a task does not say`],
    ["account limits", tellLimits(limits) || "none"],
    ...(given.length > 0 ? [["timeouts", given.join(", ")] as const] : []),
  ];
}

function tellLane({ model, wireModel, weight, limits, seconds, sizes, price }: ShownLane): string {
  const money =
    price === null
      ? "no price"
      : "perSecondUsd" in price
        ? `${price.perSecondUsd} USD a second`
        : `${price.perClipUsd} USD a clip`;
  const parts = [
    ...(wireModel === model ? [] : [`called ${wireModel} there`]),
    `weight ${weight}`,
    tellLimits(limits) || "no limits",
    `${seconds.join(", ")} s`,
    sizes.join(", "),
    money,
  ];
  return parts.join("; ");
}

function tellLimits({ inFlight, requestsPerMinute, looksPerSecond }: ShownLane["limits"]): string {
  const parts = [
    ...(inFlight === null ? [] : [`${inFlight} in flight`]),
    ...(requestsPerMinute === null ? [] : [`${requestsPerMinute} requests a minute`]),
    ...(looksPerSecond === null ? [] : [`${looksPerSecond} looks a second`]),
  ];
  return parts.join(", ");
}

const equivalentRow = ({ model, others }: ShownSettings["equivalents"][number]): Row => [
  model,
  others.map((other) => `${other.model} (${other.seconds.join(", ")} s)`).join(", "),
];

const words = { ok: "ok  ", warn: "warn", fail: "FAIL" };

function checkRows({ name, state, found, advice }: Check): Row[] {
  return [[`${words[state]}  ${name}`, found], ...(advice === null ? [] : [["", `-> ${advice}`] as const])];
}

function summaryOf(checks: readonly Check[]): string {
  const count = (state: Check["state"]) => checks.filter((check) => check.state === state).length;
  const [failures, warnings] = [count("fail"), count("warn")];
  const told = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  if (failures > 0) return `${told(failures, "failure")}, ${told(warnings, "warning")}`;
  return warnings > 0 ? told(warnings, "warning") : "all is well";
}

const widestLabel = 26;

function table(rows: readonly Row[]): string {
  const widths = rows.map(([label]) => plain(label).length).filter((width) => width <= widestLabel);
  const width = Math.max(0, ...widths);
  const margin = " ".repeat(width + 4);
  return rows
    .map(([label, text]) => {
      const head = plain(label);
      const body = wrap(plain(text), columns - margin.length);
      // A label that is too long has a line of its own.
      const first = head.length > width ? [`  ${head}`] : [`  ${head.padEnd(width)}  ${body.shift() ?? ""}`];
      return [...first, ...body.map((line) => margin + line)].map((line) => line.trimEnd()).join("\n");
    })
    .join("\n");
}

/** Nothing that others said may steer the terminal. */
const plain = (text: string): string => stripVTControlCharacters(text).replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ");

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
