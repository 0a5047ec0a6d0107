import { setTimeout as delay } from "node:timers/promises";
import { startRedis } from "../../support/redis.ts";
import { inChild } from "../frame/child.ts";
import { instantModel } from "../frame/instant.ts";
import { type AskingInput, type Flow, type FlowInput, places, stuckModel } from "./flow.ts";

/** Where the videos are queued past which others flow. */
export type QueuedIn = "a full lane beside it" | "its own lane";

/** From then on the sweep asks what keeps a queued video: 15 s of grace, and a little. */
const suspiciousMs = 16_000;

/** Stored before anything is measured. */
const warmUp = 500;

/** Flowing at once where the queue is another lane's. */
const atOnce = 200;

/** Lets videos flow while so many others are queued, and have been for a while. */
export async function flowPast(queued: number, where: QueuedIn, forMs: number, concurrency: number): Promise<Flow> {
  const server = await startRedis();
  try {
    const isOwn = where === "its own lane";
    const asking: AskingInput = {
      redisUrl: server.url,
      model: isOwn ? instantModel : stuckModel,
      // Those that take the places are queued no more.
      count: queued + (isOwn ? places : 1),
    };
    const acceptedAt = await inChild<number>(import.meta.resolve("./asking.ts"), asking);
    await delay(Math.max(0, acceptedAt + suspiciousMs - Date.now()));
    const input: FlowInput = {
      redisUrl: server.url,
      concurrency,
      atOnce: isOwn ? 0 : atOnce,
      before: warmUp,
      forMs,
    };
    const flow = await inChild<Flow>(import.meta.resolve("./past-a-queue.ts"), input);
    const fewest = Math.min(...flow.queued);
    if (fewest < queued * 0.7) throw new Error(`Only ${fewest} of ${queued} videos were still queued.`);
    return flow;
  } finally {
    await server.stop();
  }
}
