import { setTimeout as delay } from "node:timers/promises";
import { openEngine, openFleet, producerOn } from "@reelq/engine";
import { asChild } from "../frame/child.ts";
import { instantModel, instantStorage } from "../frame/instant.ts";
import { crowdFleet, type CrowdInput, promptOf } from "./crowd.ts";

const part = 1_000;

/** Asks for the whole crowd, evenly; returns the seconds that it took. */
asChild(async ({ redisUrl, size, askingSeconds }: CrowdInput): Promise<number> => {
  const engine = openEngine({ redisUrl, fleet: openFleet(crowdFleet), storage: instantStorage(), patient: true });
  const producer = producerOn(engine);
  const caller = { project: "default", key: "open", isAdmin: true };
  const startedAt = performance.now();
  const dueMs = (from: number): number => startedAt + (askingSeconds * 1_000 * from) / size;
  for (let from = 0; from < size; from += part) {
    await delay(Math.max(0, dueMs(from) - performance.now()));
    const numbers = Array.from({ length: Math.min(part, size - from) }, (_, at) => from + at);
    await producer.createMany(
      numbers.map((number) => ({ fields: { model: instantModel, prompt: promptOf(number) } })),
      caller,
    );
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await engine.close();
  return seconds;
});
