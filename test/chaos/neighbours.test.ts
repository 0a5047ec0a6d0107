import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { VideoId } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type Cell, finish, inCell, isSettled } from "../support/chaos.ts";
import { until } from "../support/facts.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { at, message, type Moment, moments } from "../support/moments.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const isLong = process.env.CHAOS === "long";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function expectPaidOnce(cell: Cell, ids: readonly VideoId[]): Promise<void> {
  for (const id of ids) await cell.until(id, ({ status }) => status === "stored");
  expect(cell.simulator.tasks()).toHaveLength(ids.length);
}

describe.concurrent("two workers", () => {
  test("race for every step of every video, with each reminder there four times, and pay each video once", async () => {
    await inCell(redis, {}, async (cell) => {
      const victim = await cell.startVictim();
      await cell.startSuccessor();
      const copying = copyReminders(cell, 3);
      const ids = await Promise.all(Array.from({ length: 12 }, (_, index) => cell.create(`raced for ${index}`)));
      await expectPaidOnce(cell, ids);
      expect(await copying.stop()).toBeGreaterThan(ids.length);
      await finish(victim);

      expect(cell.simulator.posts()).toHaveLength(ids.length);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });
});

test("a reminder of a version that is over is let go", async () => {
  await inCell(redis, { simulator: { renderMs: 60_000 } }, async (cell) => {
    const { facts, queues } = cell.engine;
    await cell.startSuccessor();
    const id = await cell.create("reminded of what is over");
    const video = await cell.until(id, ({ status }) => status === "rendering");
    const stale = until(facts, "staleReminder", (fact) => fact.id === id && fact.reminded === 1, "version 1");
    await queues.queueFor(video)?.add("late", { video: id, version: 1 }, { jobId: "late" });

    expect((await stale).standing).toBeGreaterThanOrEqual(video.reminder);
  });
});

/** Adds copies of the reminder of every move, under ids of their own, as somebody might in Bull Board. */
function copyReminders({ engine }: Cell, copies: number) {
  const { ledger, queues } = engine;
  const over = new AbortController();
  let added = 0;
  const copy = async (id: VideoId): Promise<void> => {
    const video = await ledger.read(id);
    const queue = video && queues.queueFor(video);
    if (!queue) return;
    for (let number = 1; number <= copies; number += 1) {
      const jobId = `${id}.${video.version}.copy-${number}`;
      await queue.add("copy", { video: id, version: video.version }, { jobId });
      added += 1;
    }
  };
  const copying = (async () => {
    for (let after = "0"; !over.signal.aborted;) {
      const events = await ledger.events({ after, limit: 100 });
      for (const event of events) if ("video" in event) await copy(event.video);
      after = events.at(-1)?.id ?? after;
    }
  })();
  return {
    async stop() {
      over.abort();
      await copying;
      return added;
    },
  };
}

describe.concurrent("a connection that is half open", () => {
  const { intentReply, post, taskId, look, bytes } = moments;
  for (const moment of isLong ? Object.values(moments) : [intentReply, taskId]) {
    test(`to Redis, from ${moment.name} on: another worker takes over, and the one cut off harms nothing when it is back`, async () => {
      await inCell(redis, {}, async (cell) => {
        const victim = await cell.startVictim();
        const silence = at(victim, "before", moment, () => {
          victim.proxies.to.redis.hold();
          return "keep";
        });
        const id = await cell.create(`silence from ${moment.name} on`);
        await silence.come;
        await cell.startSuccessor();
        const meanwhile = await cell.until(id, ({ status }) => status === "stored");
        for (const proxy of Object.values(victim.proxies.to)) proxy.release();
        await finish(victim);

        expect(await cell.read(id)).toEqual(meanwhile);
        await expectPaidOnce(cell, [id]);
        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });
  }

  // It takes as long as silence is borne.
  if (isLong)
    test("to Redis, for ever, is given up for a new one by a worker that is alone", async () => {
      await inCell(redis, {}, async (cell) => {
        const victim = await cell.startVictim();
        victim.proxies.to.redis.mute();
        await expectPaidOnce(cell, [await cell.create("said into silence")]);
        await finish(victim);

        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });

  for (const [when, moment, said] of [
    ["after", post, "in_doubt"],
    ["after", look, "missed look"],
    ["before", bytes, "still downloading"],
  ] as const) {
    test(`to the upstream, from ${moment.name} on, only delays`, async () => {
      await inCell(redis, {}, async (cell) => {
        const victim = await cell.startVictim();
        at(victim, when, moment, () => {
          victim.proxies.to.upstream.hold();
          return "keep";
        });
        const id = await cell.create(`no answer from ${moment.name} on`);
        await victim.app.said(said);
        victim.proxies.to.upstream.release();
        await expectPaidOnce(cell, [id]);
        await finish(victim);

        expect(cell.simulator.posts()).toHaveLength(1);
        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });
  }
});

describe.concurrent("a Redis that is killed with -9 and restarted on its append-only file", () => {
  const { intent, intentReply, postReply, taskIdReply, fileRecord } = moments;
  const points: readonly Moment[] = isLong
    ? Array.from({ length: 80 }, (_, index) => message(index + 1))
    : [intent, intentReply, postReply, taskIdReply, fileRecord];
  for (const moment of points) {
    test(`and loses ${moment.name} takes nothing else along: the same worker ends the video, paid once`, async ({
      skip,
    }) => {
      const own = await startRedis();
      try {
        if (own.pid === 0) skip("the Redis is not ours to kill");
        await inCell(own, {}, async (cell) => {
          const victim = await cell.startVictim();
          let restarted: Promise<void> | undefined;
          const crash = at(victim, "before", moment, ({ neighbour }) => {
            restarted = own.restart();
            return neighbour === "redis" ? "lose" : "go";
          });
          const id = await cell.create(`Redis killed at ${moment.name}`);
          await Promise.race([crash.come, cell.until(id, isSettled)]);
          await restarted;
          await expectPaidOnce(cell, [id]);
          await finish(victim);

          expect(cell.simulator.posts()).toHaveLength(1);
          expect(await brokenInvariants(cell)).toEqual([]);
        });
      } finally {
        await own.stop();
      }
    });
  }
});

describe.concurrent("a storage that fails", () => {
  test("because its folder is a file for a while delays the video, which is stored once it can be", async () => {
    await inCell(redis, {}, async (cell) => {
      await mkdir(dirname(cell.folder), { recursive: true });
      await writeFile(cell.folder, "in the way");
      const victim = await cell.startVictim();
      const id = await cell.create("a file in the way");
      await victim.app.said("still downloading");
      await rm(cell.folder);
      await expectPaidOnce(cell, [id]);
      await finish(victim);

      expect((await cell.read(id)).setbacks.brokenDownloads).toBeGreaterThan(0);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });
});

const s3 = inject("s3");
describe.concurrent("a bucket", () => {
  if ("skipped" in s3) {
    test.skip(`that fails: ${s3.skipped}`);
    return;
  }
  const put: Moment = {
    name: "the file's put",
    listen: () => (heard) => heard.neighbour === "storage" && heard.way === "out" && heard.bytes.includes(".mp4?"),
  };
  const sidecarPut: Moment = {
    name: "the sidecar's put",
    listen: () => (heard) => heard.neighbour === "storage" && heard.way === "out" && heard.bytes.includes(".mp4.json?"),
  };

  for (const [when, moment] of [
    ["after", put],
    ["before", sidecarPut],
    ["after", sidecarPut],
  ] as const) {
    test(`that a worker is killed at, ${when} ${moment.name}, holds one whole file in the end`, async () => {
      await inCell(redis, { bucket: s3 }, async (cell) => {
        const victim = await cell.startVictim();
        at(victim, when, moment, () => {
          victim.signal("SIGKILL");
          return "end";
        });
        const id = await cell.create(`${when} ${moment.name}`);
        expect(await victim.app.exited).toBe("SIGKILL");
        await cell.startSuccessor();
        await expectPaidOnce(cell, [id]);
        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });
  }

  test("that cuts the connection in the middle of a put is tried again", async () => {
    await inCell(redis, { bucket: s3 }, async (cell) => {
      const victim = await cell.startVictim();
      const cut = at(victim, "after", put, () => {
        victim.proxies.to.storage.cut();
        return "go";
      });
      const id = await cell.create("cut in the middle of a put");
      await cut.come;
      await victim.app.said("still downloading");
      victim.proxies.to.storage.release();
      await expectPaidOnce(cell, [id]);
      await finish(victim);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });
});
