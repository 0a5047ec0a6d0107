import { instantModel, instantSize } from "../frame/instant.ts";

/** How clients call, beside the body that is the same for all. */
export type Manner = "plain" | "key" | "official-sdk";

export interface LoadInput {
  /** Where videos are asked for. */
  readonly url: string;
  readonly manner: Manner;
  readonly requests: number;
  /** Kept open; each has one request on its way at a time. */
  readonly connections: number;
  /** Before every Idempotency-Key, so that none comes twice. */
  readonly name: string;
}

/** What a load came to. */
export interface Load {
  readonly seconds: number;
  /** From the first byte sent to the last one heard. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What both sides are told to do in bulk. */
export interface BulkInput {
  readonly redisUrl: string;
  /** At once. */
  readonly count: number;
}

export interface Bulk {
  readonly seconds: number;
}

/** What one request asks for. */
export const fieldsOf = (number: number) => ({
  model: instantModel,
  prompt: `A black cat walks slowly over bridge ${number} at dusk while the city lights go on one after the other; the camera follows it closely, low above the wet stones.`,
  seconds: "1",
  size: instantSize,
});
