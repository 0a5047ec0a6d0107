import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { asChild } from "../frame/child.ts";
import { costsOn, type Lives, type LivesInput, livesOf, lookEveryMs, looksEach, openLoop } from "./lives.ts";

interface Clip {
  readonly number: number;
  readonly looks: number;
}

// Three plain queues with nothing behind them: no record, no event, no compare-and-set, nobody who asks what was paid.
asChild(async (input: LivesInput): Promise<Lives> => {
  const connection = () => new Redis(input.serverUrl, { maxRetriesPerRequest: null });
  const redis = connection();
  const options = { removeOnComplete: { count: 500 }, removeOnFail: { count: 1_000 } };
  const queue = (name: string) => new Queue<Clip>(name, { connection: redis, defaultJobOptions: options });
  const [submit, poll, download] = [queue("submit"), queue("poll"), queue("download")];
  const loop = openLoop(input, costsOn(redis));
  const hiccups: string[] = [];
  const work = (name: string, handle: (clip: Clip) => unknown) => {
    const worker = new Worker<Clip>(name, async ({ data }) => handle(data), {
      connection: connection(),
      concurrency: input.concurrency,
    });
    worker.on("error", (error) => hiccups.push(error.message));
    return worker.waitUntilReady();
  };
  await Promise.all([
    work("submit", (clip) => poll.add("look", clip, { delay: lookEveryMs })),
    work("poll", ({ number, looks }) =>
      looks + 1 < looksEach
        ? poll.add("look", { number, looks: looks + 1 }, { delay: lookEveryMs })
        : download.add("fetch", { number, looks: looks + 1 }),
    ),
    work("download", () => loop.over()),
  ]);
  const did = await loop.run((number) => submit.add("clip", { number, looks: 0 }));
  return livesOf(did, hiccups);
});
