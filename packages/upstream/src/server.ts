import { deadlineIn } from "./deadline.ts";
import { type Hush, hushing, type PlainWords, plainWords } from "./plain-words.ts";
import { readReply, type Reply } from "./reply.ts";
import { judgeSettings, type JudgedSettings } from "./settings.ts";
import { type Answer, openTransport, type Transport } from "./transport.ts";
import type { UpstreamSettings } from "./upstream.ts";

/** One server as its calls see it: where it is, what opens it, how to reach it. */
export interface Server {
  readonly settings: JudgedSettings;
  readonly transport: Transport;
  readonly hush: Hush;
  readonly plain: PlainWords;
}

export function openServer(given: UpstreamSettings): Server {
  const settings = judgeSettings(given);
  const hush = hushing(settings.key);
  return { settings, transport: openTransport(settings.timeouts), hush, plain: plainWords(hush) };
}

/** The address of a call. Ids hold colons, slashes, pluses and equals signs. */
export function addressOf(server: Server, ...parts: readonly string[]): URL {
  const path = parts.map((part) => encodeURIComponent(part.toWellFormed())).join("/");
  return new URL(`${server.settings.base}/${path}`);
}

/** What every call says of itself; the key only to the server itself. */
export function headersFor(server: Server, isTrusted: boolean): Record<string, string> {
  const { key } = server.settings;
  return {
    "user-agent": "reelq",
    "accept-encoding": "identity",
    ...(isTrusted && key !== undefined ? { authorization: `Bearer ${key}` } : {}),
  };
}

/** A reply read whole; or why there was none. */
export type Spoken = { readonly kind: "replied"; readonly reply: Reply } | Extract<Answer, { kind: "no_reply" }>;

/** A list of tasks with long prompts stays far below. */
export const maxJsonBytes = 8 * 1024 * 1024;

/** JSON instead of a file may hold the file itself, as a data: address. */
export const maxContentJsonBytes = 32 * 1024 * 1024;

/** Sends a call that is free to be repeated, and reads its reply within the call's time. */
export async function speak(server: Server, method: "GET" | "DELETE", url: URL): Promise<Spoken> {
  const deadline = deadlineIn(server.settings.timeouts.lookMs);
  const headers = { ...headersFor(server, true), accept: "application/json" };
  try {
    return await hear(server, server.transport.send({ method, url, headers, signal: deadline.signal }), maxJsonBytes);
  } finally {
    deadline.clear();
  }
}

/** Reads a reply to its end. */
export async function hear(server: Server, sending: Promise<Answer>, maxBytes: number): Promise<Spoken> {
  const answer = await sending;
  if (answer.kind === "no_reply") return answer;
  return { kind: "replied", reply: await readReply(answer, maxBytes, server.hush) };
}
