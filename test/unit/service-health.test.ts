import { checkHealth } from "@reelq/service";
import { expect, test } from "vitest";

const never = () => new Promise<void>(() => {});

test("all is well when every check is", async () => {
  const health = await checkHealth({ redis: async () => "7.0.15", storage: async () => {} }, { now: () => 0 });
  expect(health).toEqual({
    ok: true,
    checks: { redis: { ok: true, detail: "7.0.15", ms: 0 }, storage: { ok: true, ms: 0 } },
  });
});

test("one failed check is told beside the others", async () => {
  const health = await checkHealth({
    redis: async () => {},
    storage: () => Promise.reject(new Error("the disk is full")),
    thrower: () => {
      throw new Error("at once");
    },
  });
  expect(health.ok).toBe(false);
  expect(health.checks).toMatchObject({
    redis: { ok: true },
    storage: { ok: false, detail: "the disk is full" },
    thrower: { ok: false, detail: "at once" },
  });
});

test("a check that does not answer fails at its time-out and is told to stop", async () => {
  let stopped: AbortSignal | undefined;
  const health = await checkHealth({ slow: (signal) => ((stopped = signal), never()) }, { timeoutMs: 5 });
  expect(health.checks.slow).toMatchObject({ ok: false, detail: "no answer within 5 ms" });
  expect(stopped?.aborted).toBe(true);
});
