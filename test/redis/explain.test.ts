import { type ExplanationBody, statuses } from "@reelq/contract";
import { type Explanation, openExplainer } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTestApi } from "../support/api.ts";
import { type FleetBench, type FleetBenchOptions, laneAt, openFleetBench } from "../support/fleet-bench.ts";
import { until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open(entry: FleetBenchOptions["upstreams"][string], more: Partial<FleetBenchOptions> = {}) {
  const bench = await openFleetBench(redis, { upstreams: { north: entry }, ...more });
  onTestFinished(() => bench.close());
  const explain = openExplainer(bench.engine);
  return { bench, why: async (id: string): Promise<Explanation> => explain(await bench.read(id as never)) };
}

/** A lane whose one place is taken, and three that wait for it. */
async function fullLane(limits: NonNullable<FleetBenchOptions["upstreams"][string]["entry"]>["limits"]) {
  const { bench, why } = await open({ simulator: { renderMs: 600_000 }, entry: { limits } });
  const first = await bench.create("the first");
  await bench.all([first.id], "rendering");
  const rested = until(bench.engines[0]!.facts, "laneRested", () => true, "the lane gives no leave");
  const others = [];
  for (const name of ["second", "third", "fourth"]) others.push(await bench.create(name));
  await rested;
  return { bench, why, first, others };
}

/** A video whose POST was taken and never answered, at an upstream without a list. */
async function heldDoubt(bench: FleetBench) {
  bench.simulator("north").addFault({ on: "create", do: "lose_reply", times: 1 });
  const held = until(
    bench.engines[0]!.facts,
    "waited",
    ({ video }) => video.status === "in_doubt" && video.doubt.held,
    "it is held",
  );
  const video = await bench.create("doubtful");
  await held;
  return video;
}

describe("a queued video says why it waits", () => {
  test("for a place of its account, and who goes first", async () => {
    const { why, others } = await fullLane({ inFlight: 1 });
    const [second, , fourth] = await Promise.all(others.map(({ id }) => why(id)));
    expect(second?.sentence).toMatch(
      /^It waits in north\/tiny-1 because the one place at north is taken: it is the next one; its turn comes (now|in about \d+ (s|min))\.$/,
    );
    expect(fourth?.sentence).toMatch(/: 2 older videos of its lane go first; its turn comes in about \d/);
    expect(fourth).toMatchObject({
      ahead: 2,
      obstacle: { kind: "full", inFlight: 1, places: 1, whose: "account", isLearned: false },
    });
    expect(fourth!.nextAt!).toBeGreaterThan(second!.nextAt!);
  });

  test("for its minute", async () => {
    const { why, others } = await fullLane({ requestsPerMinute: 1 });
    const second = await why(others[0]!.id);
    expect(second.sentence).toMatch(
      /because the one request a minute of north is used up for (\d+ s|1 min): it is the next one/,
    );
    expect(second.obstacle).toMatchObject({ kind: "rate", allowed: 1, whose: "account" });
  });

  test("for a breaker, with its reason and time", async () => {
    const { bench, why } = await open({}, { timings: { accountSeconds: 600 } });
    bench.simulator("north").addFault({ on: "create", do: "no_quota", times: 0 });
    const opened = bench.breaker("north", "opened");
    const { id } = await bench.create("no money");
    await opened;
    const said = await why(id);
    expect(said.sentence).toMatch(
      /^It waits in north\/tiny-1 because nothing is sent to north for 10 min \(insufficient_quota: .+\): it is the next one; its turn comes in about 10 min\.$/,
    );
    expect(said.obstacle).toMatchObject({ kind: "breaker" });
  });

  test("for a lane that rests", async () => {
    const { bench, why } = await open({});
    const { engine } = bench;
    await engine.redis.set(engine.keys.rest(laneAt("north")), "throttled: slow down", "PX", 45_000);
    const { id } = await bench.create("rests");
    expect((await why(id)).sentence).toMatch(/because its lane rests for 4\d s \(throttled: slow down\)/);
  });

  test("for a worker, where none runs", async () => {
    const { bench, why } = await open({}, { workers: 0 });
    const { id } = await bench.create("nobody works");
    expect((await why(id)).sentence).toMatch(/^No worker is running, so it stays queued in north\/tiny-1\.$/);
  });
});

describe("places that only a person can free", () => {
  test("are named, and no time is made up", async () => {
    const { bench, why } = await open({
      simulator: { capabilities: { list: false }, renderMs: 600_000 },
      entry: { limits: { inFlight: 1 } },
    });
    await heldDoubt(bench);
    const { id } = await bench.create("waits for it");
    const said = await why(id);
    expect(said.sentence).toMatch(
      /^It waits in north\/tiny-1 because the one place at north is taken by videos in doubt that a person must resolve \(.+\): it is the next one\.$/,
    );
    expect(said.nextAt).toBeUndefined();
  });
});

describe("a video that was sent says what comes next", () => {
  test("while it renders: its report, the next look and when it should be done", async () => {
    const { bench, why } = await open({ simulator: { renderMs: 600_000 } });
    const { id } = await bench.create("renders");
    await bench.all([id], "rendering");
    const said = await why(id);
    expect(said.sentence).toMatch(
      /^north has been rendering it for \d+ s.*; the next look comes (now|in about \d+ s), and it should be done (now|in about .+) \(9 of 10 within .+\)\.$/,
    );
    expect(said.expected!.ninety).toBeGreaterThanOrEqual(said.expected!.median);
  });

  test("in doubt, with what is known and what a person can do", async () => {
    const { bench, why } = await open({ simulator: { capabilities: { list: false } } });
    const { id } = await heldDoubt(bench);
    expect((await why(id)).sentence).toMatch(
      /^north may or may not have taken its POST \(.+\), and evidence cannot settle it \(.+\); a person decides with reelq resolve\.$/,
    );
  });

  test("while its upstream has forgotten it, and while looks fail, with what was said", async () => {
    const { bench, why } = await open({ simulator: { renderMs: 600_000 } });
    const north = bench.simulator("north");
    const { id } = await bench.create("forgotten");
    await bench.all([id], "rendering");
    const { facts } = bench.engines[0]!;
    const missed = until(facts, "waited", ({ note }) => /missed look/.test(note), "a look failed");
    north.addFault({ on: "retrieve", do: "status", with: { status: 503 }, times: 1 });
    await missed;
    expect((await why(id)).sentence).toMatch(
      /^north has been rendering it for \d+ s.*, but the last look failed \(.*503.*\), which says nothing about the render; the next look comes /,
    );
    const unknown = until(facts, "waited", ({ note }) => /not found/.test(note), "it is not found");
    north.restart({ forget: true });
    await unknown;
    const said = await why(id);
    expect(said.sentence).toMatch(
      /^north has said 1 time in a row that it knows no such task \(.+\); the next look comes .+, and it is taken for lost if that goes on for another (5 min|\d+ s)\.$/,
    );
    expect(said.expected).toBeUndefined();
  });

  test("while its file cannot be had", async () => {
    const { bench, why } = await open({});
    bench.simulator("north").addFault({ on: "content", do: "status", with: { status: 503 }, times: 0 });
    const { id } = await bench.create("no file");
    const tried = until(
      bench.engines[0]!.facts,
      "waited",
      ({ video }) => video.status === "downloading",
      "a try failed",
    );
    await tried;
    expect((await why(id)).sentence).toMatch(
      /^It is rendered, and \d+ tr(y|ies) to fetch its file failed \(.*503.*\); the next one comes .+, and north keeps it for another .+\.$/,
    );
  });

  test("at its end", async () => {
    const { bench, why } = await open({});
    const { id } = await bench.create("ends");
    await bench.all([id], "stored");
    expect(await why(id)).toMatchObject({ sentence: expect.stringMatching(/^It is finished: its file is stored as /) });
  });
});

test("GET /v1/videos/{id}/explain shows it, with times in ISO 8601; an unknown id is a 404", async () => {
  const api = await startTestApi({ redisUrl: redis.url });
  onTestFinished(() => api.close());
  const { id } = await api.aVideo("queued");
  const response = await fetch(`${api.url}/v1/videos/${id}/explain`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    id,
    object: "video.explanation",
    status: "queued",
    sentence: "No worker is running, so it stays queued in main/sora-2.",
    next_at: null,
    expected: null,
    obstacle: null,
    lane: { name: "main/sora-2", ahead: null, waiting: 1, in_flight: 0, breaker: "closed", breaker_why: null },
  } satisfies ExplanationBody);
  const unknown = await fetch(`${api.url}/v1/videos/video_0199a000-0000-7000-8000-000000000000/explain`);
  expect(unknown.status).toBe(404);
});

test("every status has its sentence", async () => {
  const api = await startTestApi({ redisUrl: redis.url });
  onTestFinished(() => api.close());
  const explain = openExplainer(api.engine);
  for (const status of statuses) {
    const video = await api.aVideo(status);
    expect((await explain(video)).sentence).toMatch(/^(No worker|It )[^]+\.$/);
  }
});
