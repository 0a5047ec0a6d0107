import { problem, type Problem, ProblemError, type Video, type VideoId } from "@reelq/contract";
import type { z } from "zod";
import { defaultProject } from "./api-keys.ts";
import type { Ask, Repeatable } from "./ask.ts";
import type { Caller } from "./caller.ts";
import { openEngine } from "./engine.ts";
import { openFleet } from "./fleet.ts";
import type { fleetSchema } from "./fleet-config.ts";
import { readFleetNotice } from "./fleet-notice.ts";
import { defaultPrefix, keysFor } from "./keys.ts";
import type { ListOptions, VideoPage } from "./ledger.ts";
import { type Accepted, producerOn } from "./producer.ts";
import { connect } from "./redis.ts";
import { RefusedItemsError } from "./refused-items-error.ts";
import { noStorage } from "./storage/no-storage.ts";
import { type AwsSettings, openStorage } from "./storage/open.ts";

export interface DirectProducerOptions {
  readonly redisUrl: string;
  /** Before every key in Redis: that of the API and the workers. @default "{reelq}" */
  readonly prefix?: string;
  /** Whose videos they are. @default "default" */
  readonly project?: string;
  /** `file:` or `s3:`, the workers' own: needed only where requests bring reference images. */
  readonly storageUrl?: string;
  readonly aws?: AwsSettings;
  /** What REELQ_CONFIG says. Where left out, what API and workers noted in Redis at their start. */
  readonly config?: z.input<typeof fleetSchema>;
}

/** What is asked for: the fields of `POST /v1/videos`. */
export interface DirectRequest {
  readonly prompt: string;
  readonly model?: string;
  /** Clip length. */
  readonly seconds?: number | string;
  /** `WIDTHxHEIGHT` in pixels. */
  readonly size?: string;
  /** The bytes of a PNG, JPEG or WebP image. */
  readonly reference?: Uint8Array;
  readonly webhookUrl?: string;
  /** The same key and the same request is the first video again, for seven days. */
  readonly idempotencyKey?: string;
}

/** For services that share the Redis: enqueues without HTTP, with the same validation. */
export interface DirectProducer {
  /** @throws ProblemError with all that is wrong */
  create(request: DirectRequest): Promise<Accepted>;
  /**
   * Accepts all, in one step, or none. Ten thousand at once are fine.
   * @throws RefusedItemsError with what is wrong with each that is
   */
  createMany(requests: readonly DirectRequest[]): Promise<Accepted[]>;
  /** @throws ProblemError where the project has no such video */
  read(id: VideoId): Promise<Video>;
  /** The project's, by age. */
  list(options?: Partial<Omit<ListOptions, "project">>): Promise<VideoPage>;
  close(): Promise<void>;
}

/** Thousands accepted in one step take longer than a call of the API may. */
const answerWithinMs = 30_000;

/**
 * Opens a producer on the Redis that API and workers use.
 * @throws where Redis does not answer, or nobody has noted there which upstreams and models there are
 */
export async function openProducer(options: DirectProducerOptions): Promise<DirectProducer> {
  const { redisUrl, prefix = defaultPrefix, project = defaultProject, storageUrl, aws = {} } = options;
  const config = options.config ?? (await noted(redisUrl, prefix));
  const engine = openEngine({
    redisUrl,
    prefix,
    fleet: openFleet(config),
    storage: storageUrl === undefined ? noStorage : openStorage(storageUrl, aws),
    patient: false,
    answerWithinMs,
  });
  const producer = producerOn(engine);
  const caller: Caller = { project, key: `direct_${project}`, isAdmin: false };
  return {
    create: async (request) => {
      const { idempotencyKey, ...ask } = askOf(request);
      return producer.create(ask, caller, { idempotencyKey });
    },
    createMany: async (requests) => producer.createMany(asksOf(requests), caller),
    read: (id) => producer.read(id, caller),
    list: ({ limit = 100, order = "desc", ...rest } = {}) => producer.list({ limit, order, ...rest }, caller),
    close: () => engine.close(),
  };
}

async function noted(redisUrl: string, prefix: string) {
  const redis = connect(redisUrl, { patient: false }, () => undefined);
  try {
    const config = await readFleetNotice({ redis, keys: keysFor(prefix) });
    if (config) return config;
  } finally {
    redis.disconnect();
  }
  throw new Error(
    `Nobody has noted under ${prefix} in this Redis which upstreams and models there are: start an API or a worker once, or pass config.`,
  );
}

/** @throws RefusedItemsError */
function asksOf(requests: readonly DirectRequest[]) {
  const refused = new Map<number, readonly [Problem, ...Problem[]]>();
  const asks = requests.map((request, index) => {
    try {
      return askOf(request);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      refused.set(index, error.problems);
      return { fields: {} };
    }
  });
  if (refused.size > 0) throw new RefusedItemsError(requests.length, refused);
  return asks;
}

function askOf(request: DirectRequest): Ask & Pick<Repeatable, "idempotencyKey"> {
  // Whatever else it holds is judged, and refused by name.
  if (typeof request !== "object" || request === null)
    throw problem("invalid_value", `A request must be an object like {"prompt": "…"}; ${String(request)} was given.`);
  const { reference, webhookUrl, idempotencyKey, ...fields } = request;
  if (reference !== undefined && !(reference instanceof Uint8Array))
    throw problem("invalid_value", "reference must be the bytes of an image.", "reference");
  return {
    fields: webhookUrl === undefined ? fields : { ...fields, reelq: { webhook_url: webhookUrl } },
    ...(reference === undefined ? {} : { reference: { kind: "bytes", bytes: reference } }),
    idempotencyKey,
  };
}
