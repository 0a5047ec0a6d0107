import type { Readable } from "node:stream";

/** How long each part of a call may take, in milliseconds. */
export interface Timeouts {
  /** TCP and TLS. */
  readonly connectMs: number;
  /** From the request's end to the reply's head. */
  readonly headersMs: number;
  /** Between two chunks of a reply's body. */
  readonly bodyIdleMs: number;
  /** A whole create, and whatever else has no time of its own; files end by `bodyIdleMs` alone. */
  readonly totalMs: number;
  /** A whole status query, list or delete: short, because a hung look holds a worker's slot, and can be repeated. */
  readonly lookMs: number;
}

/**
 * Long on purpose: servers that start the render before they answer a POST hold it for a minute and more, and a
 * reply that came too late for us is a video in doubt.
 */
export const defaultTimeouts: Timeouts = {
  connectMs: 10_000,
  headersMs: 120_000,
  bodyIdleMs: 30_000,
  totalMs: 150_000,
  lookMs: 30_000,
};

export interface UpstreamSettings {
  readonly name: string;
  /** Up to and with `/v1`. */
  readonly url: string;
  /** The bearer token; never in a log, an error or a redirect to another origin. */
  readonly key?: string | undefined;
  /** What `POST /v1/videos` is sent as; `auto`: multipart, except where a server wants JSON. */
  readonly createFormat?: "auto" | "multipart" | "json" | undefined;
  /** Only what differs from `defaultTimeouts`. */
  readonly timeouts?: Partial<Timeouts> | undefined;
  /** Milliseconds since 1970; the system's clock unless given. */
  readonly now?: (() => number) | undefined;
}

/** What one POST asks for, in the upstream's own words. */
export interface CreateCall {
  readonly prompt: string;
  /** The model's name at this upstream. */
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
  readonly reference?:
    | { readonly bytes: Uint8Array; readonly contentType: string; readonly filename: string }
    | undefined;
  /** The finished task to remix: the call goes to `/videos/{task}/remix` with the prompt alone. */
  readonly remixOf?: string | undefined;
}

export type TaskState = "waiting" | "running" | "completed" | "failed" | "cancelled" | "expired";

/** The upstream's job, its oddities taken out. Times in milliseconds since 1970; what it did not say is absent. */
export interface WireTask {
  readonly id: string;
  readonly state: TaskState;
  /** The status word as it came. */
  readonly word: string;
  /** False: nobody knows the word, so it was taken for `running`. */
  readonly wordKnown: boolean;
  /** 0 to 100. */
  readonly progress?: number;
  readonly createdAt?: number;
  readonly completedAt?: number;
  readonly expiresAt?: number;
  readonly model?: string;
  readonly seconds?: number;
  readonly size?: string;
  readonly prompt?: string;
  readonly error?: { readonly code?: string; readonly message: string };
  /** Where the task itself says the bytes are. */
  readonly contentUrl?: string;
}

/** What became of a POST: a closed set, decided in `outcome.ts`. */
export type CreateOutcome =
  | {
      readonly kind: "accepted";
      readonly task: WireTask;
      /** The account's requests are used up: how long until they come back, above 0 and at most an hour. */
      readonly restMs?: number;
    }
  /** Proved to have failed before the wire: DNS, refused, TLS, connect time-out. Free to try again. */
  | { readonly kind: "not_sent"; readonly reason: string }
  /** 429: nothing was created; later. */
  | {
      readonly kind: "throttled";
      readonly reason: string;
      /** True: too many tasks run at once, so one must end first. False: too many requests came in a time. */
      readonly crowded: boolean;
      readonly retryAfterMs?: number;
    }
  /** Refused unread because of the body's form; the next create goes out in the other form. Nothing was created. */
  | { readonly kind: "reformat"; readonly reason: string }
  /** The same request would be refused again. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly moderated: boolean }
  /** 401, 402, 403, exhausted quota: nothing passes until a person acts. Nothing was created. */
  | { readonly kind: "account"; readonly code: string; readonly message: string }
  /** Sent, and no readable reply: a task may exist. */
  | { readonly kind: "in_doubt"; readonly reason: string };

/** What a status query brought. */
export type Look =
  | {
      readonly kind: "seen";
      readonly task: WireTask;
      /** When the server wants the next one. */ readonly pollAfterMs?: number;
    }
  | { readonly kind: "not_found"; readonly message: string }
  /** Transport, gateway, throttle, an unreadable body: says nothing about the render. */
  | {
      readonly kind: "missed";
      readonly reason: string;
      /** True: no reply, a 5xx, a gateway's own page, or a body that cannot be read. False: the server itself answered. */
      readonly infrastructure: boolean;
      readonly retryAfterMs?: number;
    }
  | {
      readonly kind: "account";
      readonly code: string;
      readonly message: string;
      /** 403: it may be this task alone that is forbidden. */
      readonly perhapsTask: boolean;
    };

export type Variant = "video" | "thumbnail" | "spritesheet";

/** What a content call brought. */
export type Content =
  | {
      readonly kind: "bytes";
      readonly body: Readable;
      /** Offset of the body's first byte in the file: above 0 only where a Range was honoured. */
      readonly from: number;
      /** The whole file's length, where known. */
      readonly totalBytes?: number;
      readonly contentType?: string;
      readonly etag?: string;
    }
  /** 403, 404, 409, 425: common just after completion, and passes. */
  | { readonly kind: "not_ready"; readonly status: number; readonly reason: string }
  /** 410, or an error that says expired: proof that the file is gone. */
  | { readonly kind: "expired"; readonly reason: string }
  /** JSON or HTML where bytes were promised. */
  | { readonly kind: "not_video"; readonly reason: string }
  | { readonly kind: "missed"; readonly reason: string; readonly retryAfterMs?: number };

/** A page of the upstream's own list. */
export type TaskPage =
  | { readonly kind: "page"; readonly tasks: readonly WireTask[]; readonly hasMore: boolean; readonly lastId?: string }
  /** This server has no list (404, 405, 501, or another shape). */
  | { readonly kind: "no_list"; readonly reason: string }
  | { readonly kind: "missed"; readonly reason: string };

/** What a doctor finds out about an upstream without a POST. */
export type Probe =
  | {
      readonly kind: "ok";
      /** Whether the server lists its tasks. */
      readonly list: boolean;
      /** How long the deciding call took. */
      readonly ms: number;
      /** The server's clock minus ours, to about a second; absent where the server did not say its time. */
      readonly clockSkewMs?: number;
      readonly detail: string;
    }
  /** 401, 402, 403, exhausted quota: nothing passes until a person acts. */
  | { readonly kind: "account"; readonly code: string; readonly message: string }
  /** Nothing answered, or only an error of 500 and above. */
  | { readonly kind: "unreachable"; readonly reason: string }
  /** Something answers, but nothing like `/v1/videos`: often the wrong address. */
  | { readonly kind: "strange"; readonly reason: string };

/** One account on one server. No call here ever throws but for a programming error: every reply is one of the kinds. */
export interface Upstream {
  readonly name: string;
  readonly timeouts: Timeouts;
  /** Sends exactly one POST, with no transport retry and no second form. */
  create(call: CreateCall): Promise<CreateOutcome>;
  retrieve(task: string): Promise<Look>;
  content(
    task: string,
    options?: {
      /** The video where left out. Many servers do not know the parameter and send the video for a picture too. */
      readonly variant?: Variant | undefined;
      /** Where the task says its video is: followed without the key, unless it is the upstream's own origin. */
      readonly contentUrl?: string | undefined;
      /** Resume at this byte. */
      readonly from?: number | undefined;
      /** Resume only if the file still has this entity tag. */
      readonly etag?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Content>;
  list(options?: {
    readonly after?: string;
    readonly limit?: number;
    readonly order?: "asc" | "desc";
  }): Promise<TaskPage>;
  /** Deletes the task at the upstream; false where it cannot. */
  remove(task: string): Promise<boolean>;
  /** Finds out with one or two free calls whether this is an upstream that can be used. */
  probe(): Promise<Probe>;
  close(): Promise<void>;
}
