import { ProblemError } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Bench, type BenchOptions, caller, openBench } from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function aBench(options: BenchOptions = {}): Promise<Bench> {
  const bench = await openBench(redis, options);
  onTestFinished(() => bench.close());
  return bench;
}

/** A POST whose reply is lost, at an upstream that lists nothing: nobody can know. */
async function aHeldDoubt(bench: Bench, prompt = "a doubt") {
  bench.simulator.configure({ capabilities: { list: false } });
  bench.simulator.addFault({ on: "create", do: "lose_reply", prompt });
  const held = until(bench.engine.facts, "waited", ({ note }) => /held for a person/.test(note), "a held doubt");
  const { id } = await bench.create(prompt);
  await held;
  return id;
}

const refusal = async (call: Promise<unknown>): Promise<ProblemError> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw new Error(`Not refused: ${String(error)}`);
  return error;
};

describe("a doubt", () => {
  test("is settled by naming its task: the video is stored and paid for once", async () => {
    const bench = await aBench();
    const id = await aHeldDoubt(bench);
    const task = String(bench.simulator.tasks()[0]?.["id"]);
    await bench.person.resolve(id, { kind: "task", task }, caller);
    const stored = await bench.reach(id, "stored");
    expect(stored.attempts).toMatchObject([{ number: 1, outcome: "adopted", task, charged: "yes" }]);
    expect(bench.simulator.tasks()).toHaveLength(1);
  });

  test("is settled by sending it again: a second attempt, and the first stays on record as unknown", async () => {
    const bench = await aBench();
    const id = await aHeldDoubt(bench);
    await bench.person.resolve(id, { kind: "resubmit" }, caller);
    const stored = await bench.reach(id, "stored");
    expect(stored.attempts).toMatchObject([
      { number: 1, outcome: "given_up", charged: "unknown" },
      { number: 2, outcome: "accepted", charged: "yes" },
    ]);
  });

  test("is settled by giving it up, and nothing is sent", async () => {
    const bench = await aBench();
    const id = await aHeldDoubt(bench);
    const failed = await bench.person.resolve(id, { kind: "fail" }, caller);
    expect(failed).toMatchObject({
      status: "failed",
      failure: { class: "declared" },
      attempts: [{ outcome: "given_up" }],
    });
    expect(bench.simulator.posts()).toHaveLength(1);
  });

  test("cannot be settled with a task that another video owns", async () => {
    const bench = await aBench();
    const owner = await bench.create("the owner");
    const { task } = await bench.reach(owner.id, "stored");
    const id = await aHeldDoubt(bench);
    const error = await refusal(bench.person.resolve(id, { kind: "task", task: task.id }, caller));
    expect(error).toMatchObject({ code: "conflict", message: expect.stringContaining(owner.id) as string });
    expect((await bench.read(id)).status).toBe("in_doubt");
  });

  test("of which there is none cannot be resolved", async () => {
    const bench = await aBench();
    const { id } = await bench.create("certain");
    await bench.reach(id, "stored");
    expect((await refusal(bench.person.resolve(id, { kind: "resubmit" }, caller))).message).toMatch(
      /is stored; only a video in doubt/,
    );
  });

  test("settled by two people at once is settled once", async () => {
    const bench = await aBench();
    const id = await aHeldDoubt(bench);
    const words = [{ kind: "fail" }, { kind: "resubmit" }, { kind: "fail" }] as const;
    const ends = await Promise.allSettled(words.map((word) => bench.person.resolve(id, word, caller)));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("a retry", () => {
  test("of a failed render is a new attempt that can end stored", async () => {
    const bench = await aBench();
    bench.simulator.addFault({
      on: "create",
      do: "fail_task",
      prompt: "unlucky",
      with: { code: "internal", message: "GPU on fire" },
    });
    const { id } = await bench.create("unlucky");
    await bench.reach(id, "failed");
    const moves = recorded(bench.engine.facts, "moved");
    await bench.person.retry(id, false, caller);
    const stored = await until(
      bench.engine.facts,
      "moved",
      ({ video }) => video.id === id && video.status === "stored",
      "the retried video stored",
    );
    expect(stored.video.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, "accepted"],
      [2, "accepted"],
    ]);
    expect(moves[0]).toMatchObject({ from: "failed", video: { status: "queued" } });
    expect(bench.simulator.tasks()).toHaveLength(2);
  });

  test("of what would be refused again is refused with the reason, unless a person insists", async () => {
    const bench = await aBench();
    bench.simulator.addFault({
      on: "create",
      do: "status",
      prompt: "bad",
      with: { status: 400, message: "No such thing" },
    });
    const { id } = await bench.create("bad");
    await bench.reach(id, "failed");
    const error = await refusal(bench.person.retry(id, false, caller));
    expect(error).toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/failed as refused: .*insist/) as string,
    });
    await bench.person.retry(id, true, caller);
    await until(
      bench.engine.facts,
      "moved",
      ({ video }) => video.id === id && video.status === "stored",
      "the insisted retry stored",
    );
  });

  test("is only for failed videos", async () => {
    const bench = await aBench();
    const { id } = await bench.create("fine");
    await bench.reach(id, "stored");
    expect((await refusal(bench.person.retry(id, true, caller))).message).toMatch(/is stored; only a failed video/);
    expect((await refusal(bench.person.retry("video_nobody", true, caller))).code).toBe("not_found");
  });
});
