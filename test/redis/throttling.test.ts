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
    await ledger.accept(queued);
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
      restLane: { ms: 10_000, reason: "too many running tasks", said },
    });
  const throttle = async () => {
    const { video } = await send();
    await ledger.advance(video, inStatus(video, "queued"), {
      restLane: { ms: 10_000, reason: "429", said: false },
    });
    const restMs = await client.pttl(keys.rest(someLane));
    await client.del(keys.rest(someLane));
    return Math.round(restMs / 1000);
  };
  const state = async () => (await ledger.laneStates([someLane]))[0];
  return { client, keys, ledger, send, accept, refuse, throttle, state };
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
      await client.del(keys.inFlight(someLane));
      await accept(await send());
    }
    expect(accepted).toBe(5);
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

test("a lane that is throttled again and again rests twice as long each time, until something is accepted", async () => {
  const { throttle, send, accept } = aLane();
  expect([await throttle(), await throttle(), await throttle(), await throttle()]).toEqual([10, 20, 40, 80]);
  expect([await throttle(), await throttle()]).toEqual([160, 160]);
  await accept(await send());
  expect(await throttle()).toBe(10);
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
      until(facts, "laneRested", ({ reason }) => /40 requests of this minute/.test(reason), "it is refused"),
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
