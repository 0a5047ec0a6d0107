import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { asChild } from "../frame/child.ts";
import { ownCpuSeconds } from "../frame/cpu.ts";
import { type Lives, type LivesInput, lookEveryMs, looksEach, openLoop } from "./lives.ts";

interface Clip {
  readonly number: number;
  readonly looks: number;
}

// The same three queues as tasks of one worker; a task that says "later" is a job that runs later.
asChild(async (input: LivesInput): Promise<Omit<Lives, "redis">> => {
  const logger = new Logger(() => () => undefined);
  const utils = await makeWorkerUtils({ connectionString: input.serverUrl, logger });
  await utils.migrate();
  const loop = openLoop(input, () => Promise.resolve(ownCpuSeconds()));
  const later = (): Date => new Date(Date.now() + lookEveryMs);
  await run({
    connectionString: input.serverUrl,
    concurrency: input.concurrency,
    maxPoolSize: input.concurrency,
    noHandleSignals: true,
    // Between two askings when it heard of nothing, in ms: so late a look may be.
    pollInterval: 100,
    logger,
    taskList: {
      submit: async (payload, { addJob }) => void (await addJob("poll", payload as Clip, { runAt: later() })),
      poll: async (payload, { addJob }) => {
        const { number, looks } = payload as Clip;
        if (looks + 1 < looksEach) await addJob("poll", { number, looks: looks + 1 }, { runAt: later() });
        else await addJob("download", { number, looks: looks + 1 });
      },
      download: () => loop.over(),
    },
  });
  const { lives, seconds, before, after } = await loop.run((number) => utils.addJob("submit", { number, looks: 0 }));
  return { lives, seconds, cpuSeconds: after - before, hiccups: [] };
});
