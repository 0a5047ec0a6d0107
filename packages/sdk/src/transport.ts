import type { ErrorBody } from "@reelq/contract";
import { longestRetryAfterMs, pauseAfter } from "./patience.ts";
import { follow, pause, reasonOf, setAlarm } from "./pause.ts";
import { ReelqError, type ReplyFacts } from "./reelq-error.ts";
import { UnreachableError } from "./unreachable-error.ts";

/** A call that gets no answer, 503 or 429 is sent so often: over about four seconds, or as the API asks. */
export const defaultTries = 5;

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One HTTP call on the API. */
export interface Call {
  readonly method?: "GET" | "POST" | "DELETE" | undefined;
  /** Below `/v1`. */
  readonly path: string;
  readonly query?: object | undefined;
  readonly json?: object | undefined;
  readonly form?: FormData | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether it may be sent again where nobody knows if it took effect. @default for GET and DELETE only */
  readonly repeatable?: boolean | undefined;
  readonly tries?: number | undefined;
  /** In milliseconds. @default the client's own */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** HTTP as this client speaks it: key, deadline, repeats and errors in one place. */
export interface Transport {
  readonly url: string;
  /** The JSON of the answer. */
  ask<Body>(call: Call): Promise<Body>;
  /** The answer as soon as it begins, for those that are streamed; the deadline ends there, the signal does not. */
  open(call: Call): Promise<Response>;
}

export interface TransportOptions {
  readonly url: string;
  readonly key: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly tries: number;
}

export function openTransport({ url, key, fetch, timeoutMs, tries }: TransportOptions): Transport {
  function requestOf(call: Call): { address: string; init: RequestInit } {
    const headers = new Headers(call.headers);
    if (key !== undefined) headers.set("Authorization", `Bearer ${key}`);
    if (call.json) headers.set("Content-Type", "application/json");
    const body = call.form ?? (call.json ? JSON.stringify(call.json) : null);
    const search = searchOf(call.query);
    return { address: `${url}/v1${call.path}${search}`, init: { method: call.method ?? "GET", headers, body } };
  }

  async function repeated<Answer>(call: Call, send: () => Promise<Answer>): Promise<Answer> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await send();
      } catch (error) {
        if (call.signal?.aborted) throw reasonOf(call.signal);
        if (failures >= (call.tries ?? tries) || !isRepeated(call, error)) throw error;
        await pause(pauseAfter(error, failures), call.signal);
      }
    }
  }

  async function answerOf(call: Call): Promise<{ response: Response; text: string }> {
    const { address, init } = requestOf(call);
    const { signal, abort, letGo } = follow(call.signal);
    const callOff = setAlarm(call.timeoutMs ?? timeoutMs, () => abort(tooLate()));
    try {
      const response = await fetch(address, { ...init, signal });
      // An answer that breaks off is none.
      return { response, text: await response.text() };
    } catch (error) {
      throw new UnreachableError(url, signal.aborted ? signal.reason : error);
    } finally {
      callOff();
      letGo();
    }
  }

  async function beginningOf(call: Call): Promise<Response> {
    const { address, init } = requestOf(call);
    const fetching = fetch(address, { ...init, signal: call.signal ?? null });
    try {
      return await within(call.timeoutMs ?? timeoutMs, fetching);
    } catch (error) {
      // Nobody reads an answer that comes too late.
      fetching.then((late) => late.body?.cancel()).catch(() => undefined);
      throw new UnreachableError(url, error);
    }
  }

  return {
    url,
    ask: <Body>(call: Call) =>
      repeated(call, async () => {
        const { response, text } = await answerOf(call);
        if (!response.ok) throw refusal(response, text);
        return readBody(response, text) as Body;
      }),
    open: (call) =>
      repeated(call, async () => {
        const response = await beginningOf(call);
        if (response.ok) return response;
        const text = await response.text().catch(() => "");
        throw refusal(response, text);
      }),
  };
}

/** Whether the API never saw the call, turned it away untouched, or may do it twice without harm. */
function isRepeated({ method = "GET", repeatable = method !== "POST" }: Call, error: unknown): boolean {
  if (error instanceof UnreachableError) return repeatable;
  if (!(error instanceof ReelqError) || (error.retryAfterMs ?? 0) > longestRetryAfterMs) return false;
  // What a gateway or an API without its ledger answers to may have been done all the same.
  return error.status === 429 || (repeatable && [502, 503, 504].includes(error.status));
}

function within<Answer>(ms: number, answer: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const callOff = setAlarm(ms, () => reject(tooLate()));
    answer.then(resolve, reject).finally(callOff);
  });
}

export const tooLate = (): Error =>
  Object.assign(new Error("The answer did not come within the time it was given."), { name: "TimeoutError" });

/** Whether somebody may be there, and was only too slow to answer. */
export const isTooLate = (error: unknown): boolean =>
  error instanceof UnreachableError && error.cause instanceof Error && error.cause.name === "TimeoutError";

function searchOf(query: object = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

function readBody(response: Response, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notReelq(response);
  }
}

function refusal(response: Response, text: string): ReelqError {
  try {
    const { error } = JSON.parse(text) as Partial<ErrorBody>;
    if (error && typeof error.message === "string") return new ReelqError(response.status, error, factsOf(response));
  } catch {
    // Not our API: a proxy's page says nothing that a program could use.
  }
  return notReelq(response);
}

/** An answer that no reelq gives. */
export const notReelq = (response: Response): ReelqError =>
  new ReelqError(
    response.status,
    {
      message: `The answer was HTTP ${response.status}, and not one of reelq's.`,
      type: "unknown",
      code: null,
      param: null,
    },
    factsOf(response),
  );

const factsOf = ({ headers }: Response): ReplyFacts => ({
  requestId: headers.get("x-request-id") ?? undefined,
  retryAfterMs: retryAfterMs(headers.get("retry-after")),
});

/** Seconds, or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
