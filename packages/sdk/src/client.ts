import type { ErrorBody, ExplanationBody, VideoBody, VideoListBody } from "@reelq/contract";
import { ReelqError } from "./reelq-error.ts";
import { UnreachableError } from "./unreachable-error.ts";

export interface ClientOptions {
  /** Where the API listens, without `/v1`. */
  readonly url: string;
  readonly key?: string | undefined;
}

export interface CreateInput {
  readonly prompt: string;
  readonly model?: string | undefined;
  readonly seconds?: number | string | undefined;
  readonly size?: string | undefined;
  /** A reference image. */
  readonly reference?: Blob | undefined;
}

export interface CallOptions {
  /** Made up where left out, so that a repeated call never makes a second video. */
  readonly idempotencyKey?: string | undefined;
}

export interface ListQuery {
  readonly after?: string | undefined;
  readonly limit?: number | string | undefined;
  readonly order?: "asc" | "desc" | undefined;
  readonly status?: string | undefined;
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with every state that was seen. */
  readonly onUpdate?: ((video: VideoBody) => void) | undefined;
  /** Between two looks, in milliseconds. @default 500 */
  readonly everyMs?: number | undefined;
}

/** A producer's view of reelq. Every call throws ReelqError for what the API refused and UnreachableError where nothing answered. */
export interface Client {
  create(input: CreateInput, options?: CallOptions): Promise<VideoBody>;
  remix(source: string, prompt: string, options?: CallOptions): Promise<VideoBody>;
  retrieve(id: string): Promise<VideoBody>;
  list(query?: ListQuery): Promise<VideoListBody>;
  /** Why it is where it is, and when it should move. */
  explain(id: string): Promise<ExplanationBody>;
  cancel(id: string, abandon?: boolean): Promise<VideoBody>;
  /** A new attempt at a failed video. */
  retry(id: string, insist?: boolean): Promise<VideoBody>;
  /** Settles a doubt: its task's id at the upstream, another attempt, or the end. */
  resolve(
    id: string,
    word: { readonly task: string } | { readonly resubmit: true } | { readonly fail: true },
  ): Promise<VideoBody>;
  /** Resolves when the video is completed or failed. An API that is away for a while is waited for. */
  wait(id: string, options?: WaitOptions): Promise<VideoBody>;
}

/** A call that goes unanswered is sent again so often: its idempotency key makes that safe. */
const sendTimes = 3;

/** An API that restarts is back within this time. */
const awayForMs = 60_000;

export function openClient({ url, key }: ClientOptions): Client {
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };

  async function call<Body>(path: string, init: RequestInit = {}, times = 1): Promise<Body> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}/v1/videos${path}`, {
        ...init,
        headers: { ...headers, ...(init.headers as Record<string, string>) },
      });
      // An answer that breaks off is none.
      text = await response.text();
    } catch (error) {
      if (init.signal?.aborted) throw error;
      if (times > 1 && !isRefused(error)) return call(path, init, times - 1);
      throw new UnreachableError(url, error);
    }
    if (!response.ok) throw refusal(response.status, text);
    return readBody(response.status, text) as Body;
  }

  const post = <Body>(
    path: string,
    body: RequestInit["body"],
    contentType: string | undefined,
    { idempotencyKey = crypto.randomUUID() }: CallOptions = {},
  ) =>
    call<Body>(
      path,
      {
        method: "POST",
        body: body ?? null,
        headers: {
          "Idempotency-Key": idempotencyKey,
          ...(contentType === undefined ? {} : { "Content-Type": contentType }),
        },
      },
      sendTimes,
    );

  const command = (id: string, name: string, body: object) =>
    post<VideoBody>(`/${encodeURIComponent(id)}/${name}`, JSON.stringify(body), "application/json");

  const client: Client = {
    create: (input, options) => post("", formOf(input), undefined, options),
    remix: (source, prompt, options) =>
      post(`/${encodeURIComponent(source)}/remix`, JSON.stringify({ prompt }), "application/json", options),
    retrieve: (id) => call(`/${encodeURIComponent(id)}`),
    list: (query = {}) => call(`?${searchOf(query)}`),
    explain: (id) => call(`/${encodeURIComponent(id)}/explain`),
    cancel: (id, abandon = false) => command(id, "cancel", { abandon }),
    retry: (id, insist = false) => command(id, "retry", { insist }),
    resolve: (id, word) => command(id, "resolve", word),

    async wait(id, { signal, onUpdate, everyMs = 500 } = {}) {
      let heardAt = performance.now();
      for (;;) {
        try {
          const video = await call<VideoBody>(`/${encodeURIComponent(id)}`, signal ? { signal } : {});
          heardAt = performance.now();
          onUpdate?.(video);
          if (video.status === "completed" || video.status === "failed") return video;
        } catch (error) {
          if (!isPassing(error) || performance.now() - heardAt > awayForMs) throw error;
        }
        await pause(everyMs, signal);
      }
    },
  };
  return client;
}

function searchOf(query: ListQuery): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.toString();
}

function formOf({ prompt, model, seconds, size, reference }: CreateInput): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries({ prompt, model, seconds, size })) {
    if (value !== undefined) form.append(name, String(value));
  }
  if (reference) form.append("input_reference", reference, "reference");
  return form;
}

function readBody(status: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notReelq(status);
  }
}

function refusal(status: number, text: string): ReelqError {
  try {
    const { error } = JSON.parse(text) as Partial<ErrorBody>;
    if (error && typeof error.message === "string") return new ReelqError(status, error);
  } catch {
    // Not our API: a proxy's page says nothing that a program could use.
  }
  return notReelq(status);
}

const notReelq = (status: number): ReelqError =>
  new ReelqError(status, {
    message: `The answer was HTTP ${status}, and not one of reelq's.`,
    type: "unknown",
    code: null,
    param: null,
  });

const isRefused = (error: unknown): boolean => (error as { cause?: { code?: string } }).cause?.code === "ECONNREFUSED";

const isPassing = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ReelqError && error.status >= 500);

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new Error("The wait was given up."));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
