import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cell, finish, inCell, isSettled } from "../support/chaos.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { at, type Moment, moments } from "../support/moments.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { openSlowDoor } from "../support/slow-door.ts";
import type { Passage } from "../support/tcp-proxy.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const fenced = "somebody else moved it first";

/** A worker that is frozen at a moment of a video's life, until another one has done all that can be done without it. */
async function freeze(cell: Cell, when: "before" | "after", moment: Moment, passage: Passage = "go") {
  const victim = await cell.startVictim();
  const frozen = at(victim, when, moment, () => {
    victim.signal("SIGSTOP");
    return passage;
  });
  const id = await cell.create(`frozen ${when} ${moment.name}`);
  await frozen.come;
  await cell.startSuccessor();
  const meanwhile = await cell.until(id, isSettled);
  const thaw = () => {
    victim.signal("SIGCONT");
    for (const proxy of Object.values(victim.proxies.to)) proxy.release();
  };
  return { id, victim, meanwhile, thaw };
}

describe.concurrent("a worker frozen for longer than every lock", () => {
  test("between its intent and its POST does not send late: the video was sent by another one", async () => {
    await inCell(redis, {}, async (cell) => {
      const { id, victim, meanwhile, thaw } = await freeze(cell, "before", moments.intentReply, "keep");
      expect(meanwhile.status).toBe("stored");
      thaw();
      await victim.app.said(fenced);
      await finish(victim);

      expect(victim.app.output()).toContain(`"wanted":"queued"`);
      expect(cell.simulator.posts()).toHaveLength(1);
      expect((await cell.read(id)).attempts).toMatchObject([{ outcome: "created_nothing" }, { number: 2 }]);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });

  test("between its intent and its POST does not send late: the video waits for a person", async () => {
    await inCell(redis, { lists: false }, async (cell) => {
      const { id, victim, meanwhile, thaw } = await freeze(cell, "before", moments.intentReply, "keep");
      expect(meanwhile.status).toBe("in_doubt");
      thaw();
      await victim.app.said(fenced);
      await finish(victim);

      expect(cell.simulator.posts()).toHaveLength(0);
      expect((await cell.read(id)).status).toBe("in_doubt");
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });

  test("while it connects does not send late", async ({ skip }) => {
    if (process.platform !== "linux") skip("only Linux shows half-made connections");
    await inCell(redis, { timeouts: { connectSeconds: 20, createSeconds: 3 } }, async (cell) => {
      const door = await openSlowDoor(cell.simulator.url);
      try {
        const app = await cell.startWorker(door.url);
        const id = await cell.create("frozen while it connects");
        await expect.poll(door.isKnockedAt, { timeout: 5_000, interval: 10 }).toBe(true);
        process.kill(app.pid, "SIGSTOP");
        await cell.startSuccessor();
        await cell.until(id, ({ status }) => status === "stored");
        door.open();
        await expect.poll(door.isEntered, { timeout: 15_000 }).toBe(true);
        process.kill(app.pid, "SIGCONT");
        await app.said(fenced);
        await finish({ app });

        expect(cell.simulator.posts()).toHaveLength(1);
        expect(await brokenInvariants(cell)).toEqual([]);
      } finally {
        await door.close();
      }
    });
  });

  test("while its POST is still on its way is not taken for one that sent nothing", async () => {
    await inCell(redis, { timeouts: { createSeconds: 13 } }, async (cell) => {
      // Long after two looks at the list have shown nothing, though the frozen worker may have swallowed a queue's
      // wake-up, which costs the next one five seconds.
      cell.simulator.addFault({ on: "create", do: "slow", with: { ms: 10_000 } });
      const { victim, meanwhile, thaw } = await freeze(cell, "after", moments.post);
      expect(meanwhile).toMatchObject({ status: "stored", attempts: [{ number: 1, outcome: "adopted" }] });
      thaw();
      await finish(victim);

      expect(cell.simulator.posts()).toHaveLength(1);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });

  test("between the reply to its POST and the ledger brings the task id that settles the doubt, where nothing is listed", async () => {
    await inCell(redis, { lists: false }, async (cell) => {
      const { id, victim, meanwhile, thaw } = await freeze(cell, "before", moments.taskId, "keep");
      expect(meanwhile).toMatchObject({ status: "in_doubt", doubt: { held: true } });
      thaw();
      const video = await cell.until(id, ({ status }) => status === "stored");
      await finish(victim);

      expect(victim.app.output()).toContain(fenced);
      expect(video.attempts).toMatchObject([{ number: 1, outcome: "adopted", task: cell.simulator.posts()[0]?.task }]);
      expect(cell.simulator.posts()).toHaveLength(1);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });

  for (const [when, moment] of [
    ["after", moments.post],
    ["before", moments.postReply],
  ] as const) {
    test(`${when} ${moment.name} reads the reply that came meanwhile, which settles the doubt, where nothing is listed`, async () => {
      await inCell(redis, { lists: false }, async (cell) => {
        const { id, victim, meanwhile, thaw } = await freeze(cell, when, moment);
        expect(meanwhile).toMatchObject({ status: "in_doubt", doubt: { held: true } });
        thaw();
        await cell.until(id, ({ status }) => status === "stored");
        await finish(victim);

        expect(victim.app.output()).toContain(fenced);
        expect(cell.simulator.posts()).toHaveLength(1);
        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });
  }

  test("after the POST finds its task adopted, and its late verdict is refused", async () => {
    await inCell(redis, {}, async (cell) => {
      const { id, victim, meanwhile, thaw } = await freeze(cell, "after", moments.post);
      expect(meanwhile).toMatchObject({ status: "stored", attempts: [{ number: 1, outcome: "adopted" }] });
      thaw();
      await victim.app.said(fenced);
      await finish(victim);

      expect(await cell.read(id)).toEqual(meanwhile);
      expect(cell.simulator.posts()).toHaveLength(1);
      expect(await brokenInvariants(cell)).toEqual([]);
    });
  });

  const { taskId, look, lookReply, completion, fetching, bytes, fileRecord } = moments;
  const later = [taskId, look, lookReply, completion, fetching, bytes, fileRecord];
  for (const moment of process.env.CHAOS === "long" ? later : [look, bytes, fileRecord]) {
    test(`before ${moment.name} harms nothing when it thaws`, async () => {
      await inCell(redis, {}, async (cell) => {
        const { id, victim, meanwhile, thaw } = await freeze(cell, "before", moment);
        expect(meanwhile.status).toBe("stored");
        thaw();
        await finish(victim);

        expect(await cell.read(id)).toEqual(meanwhile);
        expect(cell.simulator.posts()).toHaveLength(1);
        expect(await brokenInvariants(cell)).toEqual([]);
      });
    });
  }
});
