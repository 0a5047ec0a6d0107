import { openEngine, openFleet, producerOn } from "@reelq/engine";
import { asChild } from "../frame/child.ts";
import { instantStorage } from "../frame/instant.ts";
import { type AskingInput, flowFleet } from "./flow.ts";

const part = 1_000;

/** Asks for so many videos; returns when the last was accepted, ms since 1970. */
asChild(async ({ redisUrl, model, count }: AskingInput): Promise<number> => {
  const engine = openEngine({ redisUrl, fleet: openFleet(flowFleet), storage: instantStorage(), patient: true });
  const producer = producerOn(engine);
  const caller = { project: "default", key: "open", isAdmin: true };
  for (let from = 0; from < count; from += part) {
    const numbers = Array.from({ length: Math.min(part, count - from) }, (_, at) => from + at);
    await producer.createMany(
      numbers.map((number) => ({ fields: { model, prompt: `a cat walks over bridge ${number}` } })),
      caller,
    );
  }
  await engine.close();
  return Date.now();
});
