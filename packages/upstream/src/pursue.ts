import { Readable } from "node:stream";
import { contentOfFault, contentOfJson, contentOfText } from "./content-words.ts";
import { readDataUrl } from "./data-url.ts";
import { isPacked, measured, unpacked } from "./body-pipes.ts";
import { peek } from "./head.ts";
import { present } from "./present.ts";
import { rangeHeaders, readContentRange, readUnsatisfiedLength, type Resume } from "./range.ts";
import { isSuccess, readReply, type Reply } from "./reply.ts";
import { headersFor, maxJsonBytes, type Server } from "./server.ts";
import { natureOf, sniffBytes } from "./sniff.ts";
import { type Answer, discard, header } from "./transport.ts";
import type { Content } from "./upstream.ts";

export interface Aim {
  readonly resume: Resume;
  /** How long JSON may be that comes instead of the bytes: it may hold them. */
  readonly maxJsonBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Where the way to the bytes goes on, if it does not end here. */
type Turn =
  | Content
  | { readonly kind: "elsewhere"; readonly url: string }
  /** The file cannot be resumed: the whole of it, please. */
  | { readonly kind: "restart" };

type Head = Extract<Answer, { kind: "reply" }>;

const maxTurns = 5;

/** Follows redirects, and addresses inside JSON, until there are bytes or a reason why not. */
export async function pursue(server: Server, start: URL, aim: Aim): Promise<Content> {
  let url = start;
  let resume = aim.resume;
  // Once away from the upstream's own origin, the key stays away: the way back was chosen by somebody else.
  let isTrusted = url.origin === server.settings.origin;
  for (let turns = 0; turns <= maxTurns; turns++) {
    const turn = await visit(server, url, isTrusted, { ...aim, resume });
    if (turn.kind === "restart") resume = { from: 0, etag: undefined };
    else if (turn.kind !== "elsewhere") return turn;
    else {
      const next = URL.parse(turn.url, url.href);
      if (next?.protocol === "data:") return contentOfDataUrl(turn.url);
      if (!next || !["http:", "https:"].includes(next.protocol))
        return { kind: "not_video", reason: "The content is said to be at an address that is not http or https." };
      url = next;
      isTrusted &&= url.origin === server.settings.origin;
    }
  }
  return { kind: "missed", reason: `The content is behind more than ${maxTurns} redirects.` };
}

async function visit(server: Server, url: URL, isTrusted: boolean, aim: Aim): Promise<Turn> {
  const headers = { ...headersFor(server, isTrusted), accept: "*/*", ...rangeHeaders(aim.resume) };
  const answer = await server.transport.send({ method: "GET", url, headers, signal: aim.signal });
  if (answer.kind === "no_reply") return { kind: "missed", reason: server.plain(answer.reason) };
  const location = header(answer.headers, "location");
  if (redirects.has(answer.status) && location !== undefined) {
    discard(answer.body);
    return { kind: "elsewhere", url: location };
  }
  try {
    return await judge(server, answer, aim);
  } catch (error) {
    discard(answer.body);
    return { kind: "missed", reason: server.plain(`The body broke off: ${String(error)}`) };
  }
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

async function judge(server: Server, answer: Head, aim: Aim): Promise<Turn> {
  if (answer.status === 206) return judgePart(server, answer, aim);
  if (answer.status === 416 && aim.resume.from > 0) return judgeUnsatisfied(answer, aim.resume);
  if (isSuccess(answer.status)) return judgeWhole(server, answer, aim);
  return contentOfFault(server, await readWithin(server, answer, maxJsonBytes));
}

/** A part is of use only if it goes on where the bytes at hand end, in the same version of the file. */
async function judgePart(server: Server, answer: Head, aim: Aim): Promise<Turn> {
  const { from, etag } = aim.resume;
  const { headers, body } = answer;
  const range = readContentRange(headers);
  const isSameFile = etag === undefined || header(headers, "etag") === undefined || header(headers, "etag") === etag;
  if (from > 0 && (range?.from !== from || !isSameFile || isPacked(headers))) {
    discard(body);
    return { kind: "restart" };
  }
  if (!range || range.from !== from) {
    discard(body);
    return { kind: "missed", reason: "The server sent a part of the file that was not asked for." };
  }
  const end = range.totalBytes ?? range.to + 1;
  const part = { ...answer, body: measured(body, end - from) };
  return from > 0 ? bytesOf(part, from, range.totalBytes) : judgeWhole(server, part, aim, range.totalBytes);
}

function judgeUnsatisfied(answer: Head, { from }: Resume): Turn {
  discard(answer.body);
  if (readUnsatisfiedLength(answer.headers) !== from) return { kind: "restart" };
  return bytesOf({ ...answer, headers: {}, body: Readable.from([]) }, from, from);
}

async function judgeWhole(server: Server, answer: Head, aim: Aim, totalBytes = lengthOf(answer)): Promise<Turn> {
  const type = header(answer.headers, "content-type")?.toLowerCase() ?? "";
  const { head, body } = await peek(unpacked(answer.body, answer.headers), sniffBytes);
  // Unpacked already.
  const whole = { ...answer, body, headers: { ...answer.headers, "content-encoding": undefined } };
  if (head.length === 0) return contentOfNothing(answer.status);
  const nature = natureOf(head);
  if (nature === "media") return bytesOf(whole, 0, totalBytes);
  if (nature === "json" || /[/+]json\b/.test(type))
    return contentOfJson(server, await readWithin(server, whole, aim.maxJsonBytes));
  if (nature === "markup" || /^text\/|[/+]xml\b/.test(type))
    return contentOfText(server, await readWithin(server, whole, maxJsonBytes), type);
  return bytesOf(whole, 0, totalBytes);
}

/** Only files may take as long as they flow. */
async function readWithin(server: Server, answer: Head, maxBytes: number): Promise<Reply> {
  const { totalMs } = server.settings.timeouts;
  const slowest = setTimeout(() => answer.body.destroy(new Error(`no end after ${totalMs} ms`)), totalMs);
  try {
    return await readReply(answer, maxBytes, server.hush);
  } finally {
    clearTimeout(slowest);
  }
}

/** 202 and 204 have no body by right: the server is not there yet. */
function contentOfNothing(status: number): Content {
  const reason = `HTTP ${status} with an empty body.`;
  return status === 200 ? { kind: "missed", reason } : { kind: "not_ready", status, reason };
}

function contentOfDataUrl(url: string): Content {
  const data = readDataUrl(url);
  if (!data || data.bytes.length === 0 || ["json", "markup"].includes(natureOf(data.bytes.subarray(0, sniffBytes))))
    return { kind: "not_video", reason: "The content is a data: address that holds no video." };
  const body = Readable.from([data.bytes], { objectMode: false });
  return { kind: "bytes", body, from: 0, totalBytes: data.bytes.length, contentType: data.contentType };
}

function bytesOf({ headers, body }: Head, from: number, totalBytes: number | undefined): Content {
  body.on("error", () => undefined);
  const facts = { totalBytes, contentType: header(headers, "content-type"), etag: header(headers, "etag") };
  return { kind: "bytes", body, from, ...present(facts) };
}

function lengthOf({ headers }: Head): number | undefined {
  const length = header(headers, "content-length");
  return length !== undefined && /^\d+$/.test(length) && !isPacked(headers) ? Number(length) : undefined;
}
