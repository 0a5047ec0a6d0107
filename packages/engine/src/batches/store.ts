import type { BatchId, BatchState, EventType, VideoId } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import { defineScripts } from "../scripts.ts";
import { type Clip, readClip } from "./clip.ts";
import { type BatchRecord, readBatch } from "./record.ts";

/** What happens together with a change of state. */
interface Turn {
  readonly event?: EventType | undefined;
  /** Fields to set, in pairs, and those to take away. */
  readonly set?: readonly (string | number)[] | undefined;
  readonly gone?: readonly string[] | undefined;
  /** Whether the keeper looks at it from now on. */
  readonly keeping?: "open" | "over" | undefined;
}

/** The records of batches and of their clips in Redis. */
export interface BatchStore {
  read(id: BatchId): Promise<BatchRecord | undefined>;
  /** Those that are not over. */
  open(): Promise<BatchRecord[]>;
  /** @returns false if it is in none of these states */
  turn(
    batch: Pick<BatchRecord, "id" | "spec" | "state">,
    from: readonly BatchState[],
    to: BatchState,
    together?: Turn,
  ): Promise<boolean>;
  /** @returns by number; those that are not there are left out */
  clips(id: BatchId, numbers: readonly number[]): Promise<Map<number, Clip>>;
  /** The number of the first take of a line. */
  numbersOf(id: BatchId, customIds: readonly string[]): Promise<(number | undefined)[]>;
  /** The videos that remix a clip which is not stored yet. */
  dependents(id: BatchId, number: number): Promise<VideoId[]>;
}

export function openBatchStore({
  redis,
  keys,
  clock,
  facts,
}: Pick<Engine, "redis" | "keys" | "clock" | "facts">): BatchStore {
  const scripts = defineScripts(redis);
  const read = async (id: BatchId) => readBatch(id, await redis.hgetall(keys.batch(id)));
  return {
    read,

    async open() {
      const ids = (await redis.smembers(keys.openBatches)) as BatchId[];
      const records = await Promise.all(ids.sort().map(read));
      return records.filter((record) => record !== undefined);
    },

    async turn({ id, spec, state }, from, to, { event, set = [], gone = [], keeping } = {}) {
      const turned = await scripts.turn(
        [keys.batch(id), keys.events, keys.openBatches],
        [
          id,
          spec.project,
          from.join(" "),
          to,
          clock.now(),
          eventStreamLength,
          event ?? "",
          keeping ?? "",
          gone.length,
          ...gone,
          ...set,
        ],
      );
      if (turned === 1) facts.emit("batchTurned", { batch: id, from: state, to, why: whyOf(set) });
      return turned === 1;
    },

    async clips(id, numbers) {
      if (numbers.length === 0) return new Map();
      const texts = await redis.hmget(keys.batchClips(id), ...numbers.map(String));
      return new Map(
        texts.flatMap((text, index): [number, Clip][] => {
          const number = numbers[index];
          return text === null || number === undefined ? [] : [[number, readClip(text)]];
        }),
      );
    },

    async numbersOf(id, customIds) {
      if (customIds.length === 0) return [];
      const found = await redis.hmget(keys.batchLines(id), ...customIds);
      return found.map((number) => (number === null ? undefined : Number(number)));
    },

    dependents: async (id, number) => (await redis.smembers(keys.batchDependents(id, number))) as VideoId[],
  };
}

function whyOf(set: readonly (string | number)[]): string {
  const at = set.findIndex((field, index) => index % 2 === 0 && field === "why");
  return at < 0 ? "" : String(set[at + 1]);
}
