import { metricsText } from "@reelq/engine";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { movableClock, openBench } from "../support/engine.ts";
import { until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

test("the metrics count what happened: stored, failed by class, doubts, alarms, and what is under way", async () => {
  const clock = movableClock();
  const bench = await openBench(redis, { clock, places: 3 });
  onTestFinished(() => bench.close());
  const { engine, simulator } = bench;
  simulator.addFault({ on: "create", do: "status", prompt: "refused", with: { status: 400 } });
  simulator.addFault({ on: "content", do: "expire", prompt: "late", times: 0 });
  simulator.addFault({ on: "create", do: "lose_reply", prompt: "doubtful" });
  const [fine, refused, late, doubtful] = await Promise.all(
    ["fine", "refused", "late", "doubtful"].map((prompt) => bench.create(prompt)),
  );
  await bench.reach(fine!.id, "stored");
  await bench.reach(refused!.id, "failed");
  await bench.reach(late!.id, "failed");
  await bench.reach(doubtful!.id, "stored");
  simulator.configure({ renderMs: 36_000_000 });
  const slow = await bench.create("slow");
  await bench.reach(slow.id, "rendering");
  const alarm = until(engine.facts, "alarm", ({ video }) => video.id === slow.id, "an overdue render");
  clock.skip(3_700_000);
  await alarm;

  const lines = (await metricsText(engine)).split("\n").filter((line) => !line.startsWith("#"));
  expect(lines).toEqual(
    expect.arrayContaining([
      'reelq_videos{status="stored"} 2',
      'reelq_videos{status="rendering"} 1',
      'reelq_in_flight{lane="main/tiny-1"} 1',
      "reelq_posts_total 5",
      "reelq_stored_total 2",
      "reelq_doubts_total 1",
      'reelq_failed_total{class="refused"} 1',
      'reelq_failed_total{class="lost_to_expiry"} 1',
      'reelq_failed_total{class="task_lost"} 0',
      'reelq_alarms_total{alarm="overdue"} 1',
      'reelq_alarms_total{alarm="at_risk"} 0',
    ]),
  );
});
