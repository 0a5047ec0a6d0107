import { setInterval } from "node:timers/promises";
import { isFinal } from "@reelq/contract";
import { expect, test } from "vitest";
import { type Cell, inCell } from "../support/chaos.ts";
import { brokenInvariants } from "../support/invariants.ts";
import type { App } from "../support/processes.ts";
import { startRedis } from "../support/redis.ts";

const { videos, workers, places, killEveryMs, mostKills, withinMs } =
  process.env.CHAOS === "long"
    ? { videos: 500, workers: 4, places: 40, killEveryMs: 1_000, mostKills: Infinity, withinMs: 1_800_000 }
    : { videos: 40, workers: 2, places: 10, killEveryMs: 1_500, mostKills: 6, withinMs: 120_000 };

/** Everything that an upstream has been seen to do wrong and that is not final. */
function letGoWrong({ simulator }: Cell): void {
  const lasting = { times: 0 } as const;
  simulator.addFault({ on: "create", do: "throttle", rate: 0.04, ...lasting });
  simulator.addFault({ on: "create", do: "html", rate: 0.04, ...lasting });
  simulator.addFault({ on: "create", do: "html", late: true, rate: 0.04, ...lasting });
  simulator.addFault({ on: "create", do: "reset", rate: 0.04, ...lasting });
  simulator.addFault({ on: "create", do: "reset", late: true, rate: 0.04, ...lasting });
  simulator.addFault({ on: "create", do: "lose_reply", rate: 0.08, ...lasting });
  simulator.addFault({ on: "create", do: "hang", rate: 0.03, ...lasting });
  simulator.addFault({ on: "create", do: "hang", late: true, rate: 0.03, ...lasting });
  simulator.addFault({ on: "list", do: "html", rate: 0.1, ...lasting });
  simulator.addFault({ on: "retrieve", do: "html", rate: 0.05, ...lasting });
  simulator.addFault({ on: "retrieve", do: "reset", rate: 0.05, ...lasting });
  simulator.addFault({ on: "retrieve", do: "garbage", rate: 0.05, ...lasting });
  simulator.addFault({ on: "content", do: "not_ready", rate: 0.1, ...lasting });
  simulator.addFault({ on: "content", do: "truncate", rate: 0.1, ...lasting });
  simulator.addFault({ on: "content", do: "truncate", rate: 0.05, with: { silent: true }, ...lasting });
  simulator.addFault({ on: "content", do: "stall", rate: 0.05, ...lasting });
}

/** Keeps so many workers alive but for the one that it kills now and then. */
async function killNowAndThen(cell: Cell): Promise<{ stop(): Promise<number> }> {
  const alive: App[] = await Promise.all(Array.from({ length: workers }, () => cell.startWorker()));
  const over = new AbortController();
  let kills = 0;
  const killing = (async () => {
    for await (const _ of setInterval(killEveryMs, undefined, { signal: over.signal })) {
      if (kills >= mostKills) return;
      kills += 1;
      const [oldest] = alive.splice(0, 1);
      const started = cell.startWorker().then((app) => alive.push(app));
      await oldest?.kill("SIGKILL");
      await started;
    }
  })().catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });
  return {
    async stop() {
      over.abort();
      await killing;
      await Promise.all(alive.map((app) => app.kill("SIGTERM")));
      return kills;
    },
  };
}

test(`${videos} videos, ${workers} workers that are killed one after the other, and an upstream that does everything wrong: none is lost, none is paid twice`, async () => {
  const redis = await startRedis();
  const timings = { leaseSeconds: 2, lockSeconds: 2, sweepSeconds: 0.5, graceSeconds: 0.6, postWithinSeconds: 2 };
  const timeouts = { createSeconds: 3 };
  await inCell(redis, { timings, timeouts, places, simulator: { renderMs: 500 } }, async (cell) => {
    letGoWrong(cell);
    const startedAt = performance.now();
    const ids = await Promise.all(Array.from({ length: videos }, (_, index) => cell.create(`storm ${index}`)));
    const kills = await killNowAndThen(cell);
    for (const id of ids) await cell.until(id, ({ status }) => isFinal(status), withinMs);
    const tookMs = performance.now() - startedAt;
    const killed = await kills.stop();

    const counts = await cell.engine.ledger.counts();
    const paid = Map.groupBy(cell.simulator.tasks(), ({ prompt }) => prompt);
    const paidTwice = [...paid.values()].filter((tasks) => tasks.length > 1).length;
    const lost = videos - counts.stored - counts.in_doubt;
    process.stdout.write(
      `storm: ${videos} videos, ${workers} workers, ${killed} kills, ${cell.simulator.posts().length} POSTs: ` +
        `lost ${lost}, paid twice ${paidTwice}, stored ${counts.stored}, in doubt ${counts.in_doubt}; ${Math.round(tookMs / 1000)} s\n`,
    );
    expect({ lost, paidTwice, stored: counts.stored }).toEqual({ lost: 0, paidTwice: 0, stored: videos });
    expect(cell.simulator.looks().renders.peak).toBeLessThanOrEqual(places);
    expect(await brokenInvariants(cell)).toEqual([]);
  }).finally(() => redis.stop());
});
