import { type Health, healthOf } from "../../packages/engine/src/health.ts";
import type { Engine } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openFleetBench, type FleetBenchOptions, laneAt } from "../support/fleet-bench.ts";
import { until } from "../support/facts.ts";
import { emptyLedger } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aVideo, endOf, inStatus, leaveOf, someLane } from "../support/video.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** A ledger under a prefix of its own, with a breaker that opens for an hour. */
function aLedger() {
  const { client, keys, ledger } = emptyLedger(redis);
  const health = (about: "post" | "look", said: Health["said"], openMs = 3_600_000) => ({
    health: { about, said, why: `a ${about} that went ${said}`, failures: 3, openMs, longestMs: 4 * openMs },
  });
  /** Sends one, and says what was heard of it. */
  const post = async (said: Health["said"], openMs?: number) => {
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const asked = await ledger.advance(queued, inStatus(queued, "submitting"), {
      leave: leaveOf({}),
      probeMs: 60_000,
    });
    if (asked.kind !== "moved") return endOf(asked);
    const heard = await ledger.advance(asked.video, inStatus(asked.video, "queued"), health("post", said, openMs));
    return heard.kind === "moved" ? (heard.breaker ?? "") : heard.kind;
  };
  const look = async (said: "well" | "infrastructure" | "account") => {
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const sent = await ledger.advance(queued, inStatus(queued, "submitting"));
    if (sent.kind !== "moved") throw new Error(sent.kind);
    const rendering = await ledger.advance(sent.video, inStatus(sent.video, "rendering"));
    if (rendering.kind !== "moved") throw new Error(rendering.kind);
    const heard = await ledger.advance(rendering.video, rendering.video, health("look", said));
    return heard.kind === "moved" ? (heard.breaker ?? "") : heard.kind;
  };
  const state = async () => (await ledger.breakers([someLane.upstream]))[0];
  /** The time of a breaker that is open is over. */
  const timePasses = () => client.hset(keys.breaker(someLane.upstream), "until", Date.now() - 1);
  /** So is the shortest time that it stays open, whatever looks show. */
  const shortestTimePasses = () => client.hset(keys.breaker(someLane.upstream), "earliest", Date.now() - 1);
  return { client, keys, ledger, post, look, state, timePasses, shortestTimePasses };
}

describe("the breaker of an upstream", () => {
  test("opens on a run of failures, and not on as many with a success between them", async () => {
    const { post, state } = aLedger();
    expect([await post("infrastructure"), await post("infrastructure"), await post("well")]).toEqual(["", "", ""]);
    expect([await post("infrastructure"), await post("infrastructure")]).toEqual(["", ""]);
    expect(await state()).toMatchObject({ state: "closed", failures: { post: 2 } });
    expect(await post("infrastructure")).toBe("opened");
    expect(await state()).toMatchObject({
      state: "open",
      kind: "infrastructure",
      why: "a post that went infrastructure",
    });
    expect(await post("well")).toBe("breaker");
  });

  test("opens on one refusal of the account", async () => {
    const { post, state } = aLedger();
    expect(await post("account")).toBe("opened");
    expect(await state()).toMatchObject({ state: "open", kind: "account" });
  });

  test("lets one video try once its time is over, and nobody else until that one is done", async () => {
    const { post, state, timePasses, ledger } = aLedger();
    await post("account");
    await timePasses();
    expect(await state()).toMatchObject({ state: "half_open", waitMs: 0 });
    const [one, other] = [aVideo("queued"), aVideo("queued")];
    await ledger.accept([{ video: one }]);
    await ledger.accept([{ video: other }]);
    const ask = (video: typeof one) =>
      ledger.advance(video, inStatus(video, "submitting"), { leave: leaveOf({}), probeMs: 60_000 });
    const asked = await Promise.all([ask(one), ask(other)]);
    expect(asked.map(endOf).sort()).toEqual(["breaker", "moved"]);
    expect((await state())?.waitMs).toBeGreaterThan(50_000);
  });

  test("closes when the one that tries succeeds, for everybody", async () => {
    const { post, state, timePasses } = aLedger();
    await post("account");
    await timePasses();
    expect(await post("well")).toBe("closed");
    expect(await state()).toMatchObject({ state: "closed", why: "", failures: { post: 0, look: 0 } });
    expect(await post("well")).toBe("");
  });

  test("stays open twice as long each time that the one fails, up to the longest", async () => {
    const { post, state, timePasses } = aLedger();
    const hour = 3_600_000;
    await post("account", hour);
    const waits: number[] = [];
    for (let times = 0; times < 4; times += 1) {
      waits.push(Math.round(((await state())?.waitMs ?? 0) / hour));
      await timePasses();
      expect(await post("infrastructure", hour)).toBe("reopened");
    }
    expect(waits).toEqual([1, 2, 4, 4]);
  });

  test("opens for POSTs when nothing answers looks, and lets one try soon when a look is answered", async () => {
    const { post, look, state, shortestTimePasses } = aLedger();
    expect([await look("infrastructure"), await look("infrastructure")]).toEqual(["", ""]);
    expect(await look("infrastructure")).toBe("opened");
    expect(await post("well")).toBe("breaker");
    await shortestTimePasses();
    await look("well");
    expect(await state()).toMatchObject({ state: "half_open", waitMs: 0 });
    expect(await post("well")).toBe("closed");
  });

  test("closes by looks alone once an outage is over, where no video is free to try it", async () => {
    const { look, state, shortestTimePasses } = aLedger();
    for (let times = 0; times < 4; times += 1) await look("infrastructure");
    await shortestTimePasses();
    expect(await look("well")).toBe("");
    expect(await state()).toMatchObject({ state: "half_open" });
    expect(await look("infrastructure")).toBe("");
    expect(await look("well")).toBe("");
    expect(await state()).toMatchObject({ state: "half_open" });
    for (let times = 0; times < 3; times += 1) await look("infrastructure");
    await look("well");
    expect(await look("well")).toBe("closed");
    expect(await state()).toMatchObject({ state: "closed" });
  });

  test("is not brought forward by looks of which every other one fails, nor before its shortest time", async () => {
    const { post, look, state, shortestTimePasses } = aLedger();
    for (let times = 0; times < 3; times += 1) await post("infrastructure");
    for (let times = 0; times < 3; times += 1) await look("infrastructure");
    await look("well");
    expect(await state()).toMatchObject({ state: "open" });
    await shortestTimePasses();
    for (let times = 0; times < 4; times += 1) {
      await look("infrastructure");
      await look("well");
    }
    expect(await state()).toMatchObject({ state: "open" });
    for (let times = 0; times < 3; times += 1) await look("infrastructure");
    await look("well");
    expect(await state()).toMatchObject({ state: "half_open" });
  });

  test("lets another one try at once where the one that was to try met nobody", async () => {
    const { post, state, timePasses } = aLedger();
    await post("account");
    await timePasses();
    expect(await post("nothing")).toBe("");
    expect(await state()).toMatchObject({ state: "half_open", waitMs: 0 });
    expect(await post("well")).toBe("closed");
  });

  test("opens after as many failures as there are places, where those are fewer: each may hold one", () => {
    const timings = { breakerMs: 10_000, accountMs: 120_000 };
    const failures = (inFlight: number) =>
      healthOf("post", "infrastructure", "", timings, leaveOf({ inFlight })).failures;
    expect([0, 1, 2, 5, 50].map(failures)).toEqual([5, 1, 2, 5, 5]);
  });

  test("that the account opened is not brought forward by looks that are answered", async () => {
    const { post, look, state } = aLedger();
    await post("account");
    await look("infrastructure");
    await look("well");
    expect(await state()).toMatchObject({ state: "open" });
  });

  test("that POSTs opened is not brought forward by looks that never failed", async () => {
    const { post, look, state } = aLedger();
    for (let times = 0; times < 3; times += 1) await post("infrastructure");
    await look("well");
    expect(await state()).toMatchObject({ state: "open" });
  });
});

const two = (entry: FleetBenchOptions["upstreams"][string]["entry"] = {}): FleetBenchOptions => ({
  upstreams: { north: { entry }, south: { entry } },
});

describe("work that was not sent", () => {
  async function open(options: FleetBenchOptions) {
    const bench = await openFleetBench(redis, options);
    onTestFinished(() => bench.close());
    return bench;
  }

  test("moves to the other upstream that serves its model, and is sent once", async () => {
    const bench = await open({ ...two(), timings: { accountSeconds: 600 } });
    const { simulator } = bench;
    simulator("north").addFault({ on: "create", do: "status", with: { status: 402 }, times: 0 });
    const opened = bench.breaker("north", "opened");
    const videos = await Promise.all(Array.from({ length: 12 }, (_, index) => bench.create(`moved ${index}`)));
    expect(new Set(videos.map(({ lane }) => lane.upstream))).toEqual(new Set(["north", "south"]));
    await opened;
    const stored = await bench.all(
      videos.map(({ id }) => id),
      "stored",
    );
    expect(new Set(stored.map(({ lane }) => lane.upstream))).toEqual(new Set(["south"]));
    expect(stored.map(({ attempts }) => attempts.length)).toEqual(stored.map(() => 1));
    expect(simulator("south").posts()).toHaveLength(12);
  });

  test("stays where it is while nobody else serves its model, and goes on when the account is repaired", async () => {
    const bench = await open({ ...two(), upstreams: { north: {} }, timings: { accountSeconds: 0.5 } });
    const north = bench.simulator("north");
    north.addFault({ on: "create", do: "no_quota", times: 0 });
    const reopened = bench.breaker("north", "reopened");
    const video = await bench.create("waits");
    await reopened;
    expect(await bench.read(video.id)).toMatchObject({
      status: "queued",
      attempts: [],
      waiting: { reason: "account" },
    });
    const closed = bench.breaker("north", "closed");
    north.clearFaults();
    await closed;
    const [stored] = await bench.all([video.id], "stored");
    expect(stored?.attempts).toHaveLength(1);
  });

  test("never goes to another model, unless the operator named an equivalent", async () => {
    const models = { "tiny-2": { seconds: [1], sizes: ["64x64"], typicalRenderSeconds: 1 } };
    const simulator = { models: { "tiny-2": { seconds: [1], sizes: ["64x64"] } } };
    const options: FleetBenchOptions = {
      upstreams: { north: {}, south: { entry: { models: ["tiny-2"] }, simulator } },
      models,
      timings: { accountSeconds: 600 },
    };
    for (const equivalents of [{}, { "tiny-1": ["tiny-2"] }]) {
      const bench = await open({ ...options, equivalents });
      bench.simulator("north").addFault({ on: "create", do: "status", with: { status: 401 }, times: 0 });
      const opened = bench.breaker("north", "opened");
      const rested = until(engineOf(bench), "laneRested", ({ reason }) => /nothing is sent/.test(reason), "it waits");
      const video = await bench.create("another model");
      await opened;
      if (Object.keys(equivalents).length === 0) {
        await rested;
        expect(await bench.read(video.id)).toMatchObject({ status: "queued", lane: laneAt("north") });
        expect(bench.simulator("south").posts()).toEqual([]);
      } else {
        rested.catch(() => undefined);
        const [stored] = await bench.all([video.id], "stored");
        expect(stored).toMatchObject({ lane: laneAt("south", "tiny-2"), request: { model: "tiny-1" } });
        expect(bench.simulator("south").posts()[0]?.fields["model"]).toBe("tiny-2");
      }
    }
  });

  test("goes back to an upstream that works again, which one video tries first", async () => {
    const bench = await open({ ...two({ limits: { inFlight: 1 } }), timings: { accountSeconds: 0.5 } });
    const north = bench.simulator("north");
    north.addFault({ on: "create", do: "status", with: { status: 403 }, times: 2 });
    const closed = bench.breaker("north", "closed");
    const videos = await Promise.all(Array.from({ length: 12 }, (_, index) => bench.create(`back ${index}`)));
    await closed;
    const stored = await bench.all(
      videos.map(({ id }) => id),
      "stored",
    );
    expect(new Set(stored.map(({ lane }) => lane.upstream))).toEqual(new Set(["north", "south"]));
    expect(stored.map(({ attempts }) => attempts.length)).toEqual(stored.map(() => 1));
  });

  test("that waits for a busy lane moves to an idle one of its model", async () => {
    const bench = await open(two({ limits: { inFlight: 1 } }));
    const { engine, simulator } = bench;
    // All of it was accepted while the other one was away.
    await engine.redis.hset(engine.keys.breaker("south"), {
      until: Date.now() + 3_600_000,
      why: "away",
      kind: "account",
    });
    const videos = await Promise.all(Array.from({ length: 8 }, (_, index) => bench.create(`idle ${index}`)));
    expect(videos.map(({ lane }) => lane.upstream)).toEqual(videos.map(() => "north"));
    await engine.redis.del(engine.keys.breaker("south"));
    await bench.all(
      videos.map(({ id }) => id),
      "stored",
    );
    expect(simulator("south").posts().length).toBeGreaterThan(1);
    expect(simulator("north").posts().length + simulator("south").posts().length).toBe(8);
  });

  test("is shared out by weight", async () => {
    const bench = await open({
      upstreams: { north: { entry: { weight: 3 } }, south: {} },
      workers: 0,
    });
    const lanes: string[] = [];
    for (let index = 0; index < 12; index += 1) lanes.push((await bench.create(`weight ${index}`)).lane.upstream);
    expect(lanes.filter((name) => name === "north")).toHaveLength(9);
  });
});

const engineOf = ({ engines }: { engines: readonly Engine[] }) => engines[0]!.facts;
