import { type DestinationStream, type Level, type Logger, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  /** Which process speaks: `api`, `worker`. */
  readonly name: string;
  readonly level?: Level | "silent";
  /** One short line for people instead of JSON; as standard output is a terminal or not. */
  readonly pretty?: boolean;
  /** Where lines go; standard output. */
  readonly destination?: DestinationStream;
}

/** Opens the log of a process: JSON lines, or lines for people on a terminal. Written at once, so an exit loses none. */
export function openLogger({
  name,
  level = "info",
  pretty = process.stdout.isTTY,
  destination = pino.destination({ fd: 1, sync: true }),
}: LoggerOptions): Logger {
  return pino(
    {
      name,
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted, censor: "[hidden]" },
    },
    pretty ? { write: (line) => destination.write(prettyLine(line)) } : destination,
  );
}

const secretNames = [
  "authorization",
  "cookie",
  "apiKey",
  "apiKeys",
  "api_key",
  "password",
  "secret",
  "secretAccessKey",
];
/** At the top, and inside what is usually logged whole: headers, settings, a request with its headers. */
const redacted = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** `12:30:01.250 info  worker: stored video=video_0198... bytes=1048576` */
function prettyLine(line: string): string {
  const { time, level, name, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const head = `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(name)}:`;
  const facts = Object.entries(rest).map(([key, value]) => `${key}=${plain(value)}`);
  return `${[head, ...(msg === undefined ? [] : [plain(msg, true)]), ...facts].join(" ")}\n${trace(err)}`;
}

/** Text as it is where it is one harmless word; quoted where it has spaces, or could steer the terminal. */
function plain(value: unknown, spaces = false): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return (spaces ? /^[^\p{Cc}]*$/u : /^[^\s"=\p{Cc}]+$/u).test(value) ? value : JSON.stringify(value);
}

function trace(err: unknown): string {
  if (err === undefined) return "";
  const stack = typeof err === "object" && err !== null && "stack" in err ? String(err.stack) : plain(err);
  return `${stack.replaceAll(/[^\P{Cc}\n]/gu, "?").replaceAll(/^/gm, "    ")}\n`;
}
