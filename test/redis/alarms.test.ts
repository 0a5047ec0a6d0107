import { HOUR, MINUTE, reminderId } from "@reelq/engine";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  type Bench,
  type BenchOptions,
  type MovableClock,
  movableClock,
  openBench,
  skipWaits,
} from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { videoEvents } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function aBench(options: BenchOptions): Promise<Bench & { clock: MovableClock }> {
  const clock = movableClock();
  const bench = await openBench(redis, { ...options, clock });
  onTestFinished(() => bench.close());
  return { ...bench, clock };
}

const alarmsIn = async ({ engine }: Bench) => (await videoEvents(engine.ledger)).flatMap(({ alarm }) => alarm ?? []);

test("a render past its deadline raises one alarm, is looked at all the same, and is stored when it ends", async () => {
  const bench = await aBench({ simulator: { renderMs: 10 * HOUR } });
  const { engine, simulator, clock } = bench;
  const { id } = await bench.create("slow");
  await bench.reach(id, "rendering");
  const alarms = recorded(engine.facts, "alarm");
  const raised = until(engine.facts, "alarm", ({ alarm }) => alarm === "overdue", "the alarm of an overdue render");
  clock.skip(61 * MINUTE);

  expect(await raised).toMatchObject({
    video: { id, status: "rendering" },
    detail: expect.stringContaining("61 minutes") as string,
  });
  simulator.complete();
  // Between looks at an overdue render lie minutes: its next one is brought forward, or the one after that under way.
  onTestFinished(await skipWaits(engine, clock));
  const video = await bench.read(id);
  const job = await engine.queues.queueFor(video)?.getJob(reminderId(video));
  await job?.promote().catch(() => undefined);
  await bench.reach(id, "stored");
  expect(alarms).toHaveLength(1);
  expect(await alarmsIn(bench)).toEqual(["overdue"]);
});

test("a file with less than a quarter of its life left raises one alarm before it expires", async () => {
  const bench = await aBench({ simulator: { expiresAfterMs: HOUR } });
  const { engine, simulator, clock } = bench;
  simulator.addFault({ on: "content", do: "not_ready", times: 0 });
  const { id } = await bench.create("shy");
  await bench.reach(id, "downloading");
  clock.skip(40 * MINUTE);
  const swept = recorded(engine.facts, "alarm");
  const raised = until(engine.facts, "alarm", ({ alarm }) => alarm === "at_risk", "the alarm of a file at risk");
  expect(swept).toEqual([]);
  clock.skip(7 * MINUTE);

  const { detail } = await raised;
  expect(detail).toMatch(/expires .* and is not stored yet/);
  simulator.clearFaults();
  await bench.reach(id, "stored", 60_000);
  expect(await alarmsIn(bench)).toEqual(["at_risk"]);
});

test("a video that moves on in time raises none", async () => {
  const bench = await aBench({});
  const alarms = recorded(bench.engine.facts, "alarm");
  const { id } = await bench.create("prompt");
  await bench.reach(id, "stored");
  bench.clock.skip(100 * HOUR);
  expect(await bench.engine.redis.zcard(bench.engine.keys.alarms)).toBe(0);
  expect(alarms).toEqual([]);
});
