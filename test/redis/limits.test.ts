import { defaultPrefix, fleetSchema, keysFor, openFleet } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openBench } from "../support/engine.ts";
import { emptyLedger } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aVideo, endOf, inStatus, leaveOf, someLane } from "../support/video.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe("requests a minute", () => {
  test("are never more than allowed, however many ask at once", async () => {
    const { ledger } = emptyLedger(redis);
    const asked = await Promise.all(
      numbers(40).map(async () => {
        const video = aVideo("queued");
        await ledger.accept([{ video }]);
        const next = inStatus(video, "submitting");
        return ledger.advance(video, next, { leave: leaveOf({ perMinute: 7 }) });
      }),
    );
    expect(asked.filter(({ kind }) => kind === "moved")).toHaveLength(7);
    const refused = asked.flatMap((advance) =>
      advance.kind === "refused" && advance.obstacle.kind === "rate" ? [advance.obstacle] : [],
    );
    expect(refused).toHaveLength(33);
    // Until the first of the seven is a minute old, and a little longer.
    for (const { waitMs } of refused) {
      expect(waitMs).toBeGreaterThan(50_000);
      expect(waitMs).toBeLessThanOrEqual(62_000);
    }
  });

  test("are given again once those of the last minute are over", async () => {
    const { ledger, client, keys } = emptyLedger(redis);
    const [first, second] = [aVideo("queued"), aVideo("queued")];
    const leave = leaveOf({ perMinute: 1 });
    await ledger.accept([{ video: first }]);
    await ledger.accept([{ video: second }]);
    expect((await ledger.advance(first, inStatus(first, "submitting"), { leave })).kind).toBe("moved");
    expect(endOf(await ledger.advance(second, inStatus(second, "submitting"), { leave }))).toBe("rate");
    // A minute later, by what was written down.
    const [member] = await client.zrange(keys.sent(first.lane), "0", "0");
    await client.zincrby(keys.sent(first.lane), -62_001, member ?? "");
    expect((await ledger.advance(second, inStatus(second, "submitting"), { leave })).kind).toBe("moved");
  });

  test("that a lane had do not count in another one", async () => {
    const { ledger } = emptyLedger(redis);
    const one = aVideo("queued");
    const other = aVideo("queued", { lane: { upstream: "main", model: "veo-3.1" } });
    const leave = leaveOf({ perMinute: 1 });
    for (const video of [one, other]) {
      await ledger.accept([{ video }]);
      expect((await ledger.advance(video, inStatus(video, "submitting"), { leave })).kind).toBe("moved");
    }
  });
});

const fiveLooks = { ...leaveOf({}), account: { inFlight: 0, perMinute: 0, looksPerSecond: 5 } };

describe("looks a second", () => {
  test("are never more than allowed, and those who wait get a place each", async () => {
    const { ledger } = emptyLedger(redis);
    const waits = await Promise.all(numbers(30).map(() => ledger.askToLook(someLane, fiveLooks)));
    expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(5);
    const places = waits.filter((waitMs) => waitMs > 0);
    expect(new Set(places).size).toBe(places.length);
    expect(Math.max(...places)).toBeLessThanOrEqual(25 * 251);
  });

  test("hold against a server that counts them, and every render is stored", async () => {
    const bench = await openBench(redis, { looksPerSecond: 8, simulator: { looksPerSecond: 8, renderMs: 400 } });
    onTestFinished(() => bench.close());
    const videos = await Promise.all(numbers(24).map((index) => bench.create(`looked at ${index}`)));
    const stored = await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", 60_000)));
    expect(stored.map(({ setbacks }) => setbacks.missedLooks)).toEqual(stored.map(() => 0));
  });
});

test("the configuration that the design shows is understood whole", () => {
  const config = fleetSchema.parse({
    upstreams: {
      wisgate: {
        url: "https://gateway.example/v1",
        key: "secret-key",
        models: ["sora-2", "veo-3.1"],
        limits: { requestsPerMinute: 25, inFlight: 3, looksPerSecond: 5 },
      },
    },
    models: {
      "sora-2": {
        seconds: [10, 15],
        defaultSeconds: 15,
        sizes: ["720x1280", "1280x720"],
        price: { perSecondUsd: 0.1 },
      },
    },
  });
  const fleet = openFleet(config);
  expect(fleet.limitsOf({ upstream: "wisgate", model: "sora-2" })).toEqual({
    account: { inFlight: 3, perMinute: 25, looksPerSecond: 5 },
    lane: { inFlight: 0, perMinute: 0, looksPerSecond: 0 },
  });
  expect(keysFor(defaultPrefix).prefix).toBe("{reelq}");
});
