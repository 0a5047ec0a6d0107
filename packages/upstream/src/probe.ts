import { describe, type Fault, readFault } from "./error-body.ts";
import { readError, readTime } from "./field-values.ts";
import { fieldOf } from "./json.ts";
import { entriesIn } from "./list.ts";
import { present } from "./present.ts";
import { refusalBySaying } from "./refusal.ts";
import { isSuccess, type Reply } from "./reply.ts";
import { addressOf, type Server, speak } from "./server.ts";
import { header, type Headers } from "./transport.ts";
import type { Probe } from "./upstream.ts";
import { readTask } from "./wire.ts";

/** No server gives out such an id, and one that knows the contract says so. */
const unknownTask = "reelq_probe_of_a_task_that_does_not_exist";

/** Finds out whether a server speaks `/v1/videos` to this account: by its list, else by asking for an unknown task. */
export async function probe(server: Server): Promise<Probe> {
  const listAddress = addressOf(server, "videos");
  listAddress.searchParams.set("limit", "1");
  const listed = await ask(server, listAddress);
  if (listed.kind === "unreachable") return listed;
  const entries = isSuccess(listed.reply.status) ? entriesIn(listed.reply.json) : undefined;
  if (entries) return ok(listed, true, `GET /videos lists ${entries.length === 0 ? "no" : "its"} tasks`);
  const looked = await ask(server, addressOf(server, "videos", unknownTask));
  if (looked.kind === "unreachable") return looked;
  return judge(server, listed.reply, looked);
}

interface Asked {
  readonly kind: "asked";
  readonly reply: Reply;
  readonly ms: number;
  readonly clockSkewMs: number | undefined;
}

async function ask(server: Server, url: URL): Promise<Asked | Extract<Probe, { kind: "unreachable" }>> {
  const { now } = server.settings;
  const askedAt = now();
  const spoken = await speak(server, "GET", url);
  if (spoken.kind === "no_reply") return { kind: "unreachable", reason: server.plain(spoken.reason) };
  const ms = Math.max(0, now() - askedAt);
  return { kind: "asked", reply: spoken.reply, ms, clockSkewMs: skewIn(spoken.reply.headers, askedAt + ms / 2) };
}

/** By the Date header, which was written somewhere between question and answer. */
function skewIn(headers: Headers, ours: number): number | undefined {
  const theirs = readTime(header(headers, "date"));
  return theirs === undefined ? undefined : Math.round(theirs - ours);
}

const ok = ({ ms, clockSkewMs }: Asked, list: boolean, detail: string): Probe => ({
  kind: "ok",
  list,
  ms,
  ...present({ clockSkewMs }),
  detail,
});

/** What the reply about an unknown task says of the server, which gave no list. */
function judge(server: Server, listed: Reply, looked: Asked): Probe {
  const { status, json, text, cut } = looked.reply;
  const fault = readFault(json, text);
  const line = describe(status, fault);
  const refusal = refusalBySaying(fault);
  const speaks = (how: string): Probe =>
    ok(looked, false, server.plain(`No list (HTTP ${listed.status}); ${how} ${line}`));
  const isStrange = (why: string): Probe => ({ kind: "strange", reason: server.plain(`${why}: ${line}`) });
  if (cut !== undefined) return isStrange(`The reply was cut short (${cut})`);
  if (refusal === "account" || (refusal === undefined && accountStatuses.has(status)))
    return { kind: "account", code: server.plain(fault.code ?? `http_${status}`), message: server.plain(line) };
  if (refusal === "throttled" || status === 429) return speaks("the server throttles:");
  if (readTask(json)) return speaks("an unknown task is answered with a task:");
  if (status >= 500) return { kind: "unreachable", reason: server.plain(line) };
  const strangeness = strangenessOf(looked.reply, fault, listed);
  return strangeness === undefined ? speaks("an unknown task is answered with") : isStrange(strangeness);
}

const accountStatuses: ReadonlySet<number> = new Set([401, 402, 403]);

/** Why a reply cannot come from a server that knows tasks; undefined where it can. */
function strangenessOf({ status, json, text }: Reply, fault: Fault, listed: Reply): string | undefined {
  if (json === undefined && text.trim() !== "") return "No JSON, but a page or a text";
  if (isSuccess(status))
    return readError(fieldOf(json, "error")) === undefined ? "JSON, but no task and no error" : undefined;
  if (status < 400) return "A redirect";
  if (status !== 404 && status !== 405) return undefined;
  if (status === 405 || unknownRoute.test(fault.message ?? "")) return "The server knows no such address";
  // Where the two addresses are answered with the same bare "Not Found", it is the address that is not known; a
  // server that has POST /videos answers the first one with a 405.
  const isBare = fault.message === undefined || /^(404 )?not found\.?$/i.test(fault.message);
  return isBare && listed.status === 404 && listed.text === text ? "The server knows no such address" : undefined;
}

// OpenAI and new-api, Express, Go's muxers, Spring, Laravel and the like.
const unknownRoute =
  /invalid url|cannot get \/|no (such |matching )?route|route\b[^.]{0,80}\b(not found|could not be found)|(path|endpoint|page|url) (was )?not found|unknown (path|route|endpoint|url)|no static resource/i;
