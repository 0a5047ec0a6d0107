import { throttledRest } from "../../packages/engine/src/backoff.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type FleetBenchOptions, laneAt, openFleetBench } from "../support/fleet-bench.ts";
import { recorded, until } from "../support/facts.ts";
import { emptyLedger } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aVideo, inStatus, leaveOf, someLane } from "../support/video.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** A ledger under a prefix of its own, and a lane in it. */
function aLane() {
  const { client, keys, clock, ledger } = emptyLedger(redis);

  async function send() {
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const sent = await ledger.advance(queued, inStatus(queued, "submitting"), { leave: leaveOf({}) });
    if (sent.kind !== "moved") throw new Error(JSON.stringify(sent));
    return { video: sent.video, sentAt: clock.now() };
  }
  const accept = async ({ video }: Awaited<ReturnType<typeof send>>) => {
    const { kind } = await ledger.advance(video, inStatus(video, "rendering"), { pulse: { kind: "accepted" } });
    expect(kind).toBe("moved");
  };
  const refuse = ({ video, sentAt }: Awaited<ReturnType<typeof send>>, said: boolean) =>
    ledger.advance(video, inStatus(video, "queued"), {
      pulse: { kind: "crowded", sentAt },
      restLane: { ms: 10_000, reason: "too many running tasks", said, sentAt },
    });
  /** How long the lane rests after it, in seconds. */
  const throttle = async (sent?: Awaited<ReturnType<typeof send>>, rest: { ms?: number; said?: boolean } = {}) => {
    const { video, sentAt } = sent ?? (await send());
    const { ms = 10_000, said = false } = rest;
    await ledger.advance(video, inStatus(video, "queued"), { restLane: { ms, reason: "429", said, sentAt } });
    return Math.round((await client.pttl(keys.rest(someLane))) / 1000);
  };
  const wakeUp = () => client.del(keys.rest(someLane));
  const state = async () => (await ledger.laneStates([someLane]))[0];
  return { client, keys, ledger, send, accept, refuse, throttle, wakeUp, state };
}

describe("too many running tasks", () => {
  test("teaches how many may run: as many as did when it was said, by those that were sent together", async () => {
    const { send, accept, refuse, state } = aLane();
    const sent = [];
    for (let index = 0; index < 16; index += 1) sent.push(await send());
    for (const one of sent.slice(0, 3)) await accept(one);
    for (const one of sent.slice(3)) await refuse(one, false);
    expect(await state()).toMatchObject({ inFlight: 3, learnedPlaces: 3 });
    expect((await state())?.rest).toBeUndefined();
  });

  test("lowers the cap again and again while it is said, never below one", async () => {
    const { send, accept, refuse, state, client, keys } = aLane();
    for (let index = 0; index < 8; index += 1) await accept(await send());
    const caps: number[] = [];
    while (caps.at(-1) !== 1) {
      expect(caps.length).toBeLessThan(50);
      // Its own places are left out of account, so that one more can be sent.
      const cap = await client.hget(keys.cap(someLane), "cap");
      await client.hdel(keys.cap(someLane), "cap");
      const one = await send();
      if (cap !== null) await client.hset(keys.cap(someLane), "cap", cap);
      await refuse(one, false);
      caps.push((await state())?.learnedPlaces ?? Number.NaN);
    }
    expect(caps.slice(0, 5)).toEqual([8, 7, 7, 7, 6]);
    expect(caps).toEqual(caps.toSorted((a, b) => b - a));
  });

  test("lets the cap creep up again, one place for ten tasks that were accepted in a full lane", async () => {
    const { send, accept, refuse, state, client, keys } = aLane();
    await accept(await send());
    await refuse(await send(), false);
    expect((await state())?.learnedPlaces).toBe(1);
    let accepted = 0;
    while ((await state())?.learnedPlaces === 1) {
      expect((accepted += 1)).toBeLessThan(20);
      // The one before is done.
      await client.del(keys.places(someLane.upstream));
      await accept(await send());
    }
    expect(accepted).toBe(5);
  });

  test("teaches the cap of the account where the tasks of another lane are too many", async () => {
    const { ledger, send, accept, state } = aLane();
    for (let index = 0; index < 3; index += 1) await accept(await send());
    const other = { ...someLane, model: "veo-3.1" };
    const queued = aVideo("queued", { lane: other });
    await ledger.accept([{ video: queued }]);
    const sent = await ledger.advance(queued, inStatus(queued, "submitting"), { leave: leaveOf({}) });
    if (sent.kind !== "moved") throw new Error(sent.kind);
    const sentAt = Date.now() + 1_000_000;
    await ledger.advance(sent.video, inStatus(sent.video, "queued"), {
      pulse: { kind: "crowded", sentAt },
      restLane: { ms: 10_000, reason: "too many running tasks", said: false, sentAt },
    });
    const [there] = await ledger.laneStates([other]);
    expect(there).toMatchObject({ inFlight: 0, accountInFlight: 3, accountLearnedPlaces: 3 });
    expect(there?.learnedPlaces).toBeUndefined();
    expect(there?.rest).toBeUndefined();
    expect(await state()).toMatchObject({ accountLearnedPlaces: 3 });
    const again = await ledger.advance((await ledger.read(queued.id))!, inStatus(sent.video, "submitting"), {
      leave: leaveOf({}),
    });
    expect(again).toMatchObject({
      kind: "refused",
      obstacle: { kind: "full", places: 3, whose: "account", isLearned: true },
    });
  });

  test("rests the lane where none of its own tasks runs, and where the server says for how long", async () => {
    const { send, refuse, state } = aLane();
    await refuse(await send(), false);
    expect((await state())?.rest?.waitMs).toBeGreaterThan(9_000);
    const other = aLane();
    await other.accept(await other.send());
    await other.refuse(await other.send(), true);
    expect((await other.state())?.rest?.waitMs).toBeGreaterThan(9_000);
  });
});

describe("a lane that is throttled", () => {
  test("rests twice as long each time in a row, until something is accepted", async () => {
    const { throttle, wakeUp, send, accept } = aLane();
    const rests: number[] = [];
    for (let times = 0; times < 6; times += 1) {
      rests.push(await throttle());
      await wakeUp();
    }
    expect(rests).toEqual([10, 20, 40, 80, 160, 160]);
    await accept(await send());
    expect(await throttle()).toBe(10);
  });

  test("counts a burst that was sent together as one", async () => {
    const { throttle, send, wakeUp } = aLane();
    const burst = [];
    for (let index = 0; index < 8; index += 1) burst.push(await send());
    const rests: number[] = [];
    for (const one of burst) rests.push(await throttle(one));
    expect(rests).toEqual(rests.map(() => 10));
    await wakeUp();
    expect(await throttle()).toBe(20);
  });

  test("never rests shorter because a later answer asks for less", async () => {
    const { throttle, send } = aLane();
    const [one, other] = [await send(), await send()];
    expect(await throttle(one, { ms: 60_000, said: true })).toBe(60);
    expect(await throttle(other, { ms: 1_000, said: true })).toBe(60);
  });

  test("does not take a server by its word that says «now» and refuses again", () => {
    for (const said of [0, 250, 999]) expect(throttledRest(said, () => 0.5)).toEqual({ ms: 1100, said: false });
    expect(throttledRest(1_000, () => 0.5)).toEqual({ ms: 1000, said: true });
    expect(throttledRest(undefined, () => 0.5)).toEqual({ ms: 10_000, said: false });
  });
});

describe("against a server that enforces its limits", () => {
  async function open(options: FleetBenchOptions) {
    const bench = await openFleetBench(redis, options);
    onTestFinished(() => bench.close());
    return bench;
  }
  const twoModels = {
    models: { "tiny-2": { seconds: [1], sizes: ["64x64"], typicalRenderSeconds: 1 } },
    simulator: { models: { "tiny-2": { seconds: [1], sizes: ["64x64"] } } },
  };
  const createMany = (bench: Awaited<ReturnType<typeof open>>, many: number, model = "tiny-1") =>
    Promise.all(Array.from({ length: many }, (_, index) => bench.create(`${model} ${index}`, { model })));

  test("a cap that nobody configured is found, and the account is kept as busy as it allows", async () => {
    const bench = await open({ upstreams: { north: { simulator: { maxRunning: 3, renderMs: 600 } } } });
    const videos = await createMany(bench, 24);
    await bench.all(
      videos.map(({ id }) => id),
      "stored",
      60_000,
    );
    const posts = bench.simulator("north").posts();
    const refused = posts.filter(({ answered }) => answered?.status === 429);
    expect(posts).toHaveLength(24 + refused.length);
    // A burst before anything is known, and then about one in ten to see whether more is allowed by now.
    expect(refused.slice(13).length).toBeLessThanOrEqual(6);
    const [state] = await bench.engine.ledger.laneStates([laneAt("north")]);
    // Three, or four while it tries whether more is allowed by now.
    expect([3, 4]).toContain(state?.learnedPlaces);
  });

  test("a 429 slows its own lane alone", async () => {
    const { models, simulator } = twoModels;
    const bench = await open({
      upstreams: { north: { simulator, entry: { models: ["tiny-1", "tiny-2"] } } },
      models,
    });
    const north = bench.simulator("north");
    north.addFault({ on: "create", do: "throttle", with: { retryAfterSeconds: 30 }, times: 1 });
    const rested = recorded(bench.engines[0]!.facts, "laneRested");
    const first = await bench.create("throttled");
    await bench.all([first.id], "queued");
    const others = await createMany(bench, 5, "tiny-2");
    await bench.all(
      others.map(({ id }) => id),
      "stored",
    );
    expect(await bench.read(first.id)).toMatchObject({ status: "queued" });
    expect(rested.every(({ lane }) => lane.model === "tiny-1")).toBe(true);
  });

  test("a reply that says that the account's requests are used up rests the lane before it is refused", async () => {
    const bench = await open({ upstreams: { north: { simulator: { requestsPerMinute: 2 } } } });
    const rested = until(
      bench.engines[0]!.facts,
      "laneRested",
      ({ reason }) => /used up, its last reply said/.test(reason),
      "the lane rests by the reply's word",
    );
    const first = await bench.create("first");
    const second = await bench.create("second");
    await bench.all([first.id, second.id], "stored");
    await bench.create("third");
    await rested;
    const posts = bench.simulator("north").posts();
    expect(posts.map(({ answered }) => answered?.status)).toEqual([200, 200]);
  });

  test("four workers never pass the limits of an account and of its lanes together", async () => {
    const { models, simulator } = twoModels;
    const bench = await open({
      upstreams: {
        north: {
          simulator: { ...simulator, renderMs: 300 },
          entry: {
            models: { "tiny-1": { limits: { inFlight: 2 } }, "tiny-2": {} },
            limits: { inFlight: 5, requestsPerMinute: 40 },
          },
        },
      },
      models,
      workers: 4,
    });
    const [ones, twos] = await Promise.all([createMany(bench, 12, "tiny-1"), createMany(bench, 40, "tiny-2")]);
    const north = bench.simulator("north");
    await north.wait({ posts: 40, completed: 40, timeoutMs: 30_000 });
    // All that the account's minute allows is used, and each worker has asked for more.
    const askers = bench.engines.map(({ facts }) =>
      until(facts, "laneRested", ({ reason }) => /40 requests a minute/.test(reason), "it is refused"),
    );
    await Promise.any(askers);
    for (const asker of askers) asker.catch(() => undefined);
    const { renders } = north.looks();
    expect(renders.peak).toBeLessThanOrEqual(5);
    expect(renders.byModel["tiny-1"]?.peak).toBeLessThanOrEqual(2);
    expect(north.posts()).toHaveLength(40);
    expect(ones.length + twos.length).toBe(52);
  });
});
