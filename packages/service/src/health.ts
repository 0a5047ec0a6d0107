import { setTimeout as delay } from "node:timers/promises";

/** Looks at one thing that the process needs. Resolves where it is well, with a detail worth reading or none. */
export type Check = (signal: AbortSignal) => Promise<string | undefined | void>;

export interface CheckResult {
  readonly ok: boolean;
  readonly detail?: string;
  readonly ms: number;
}

export interface Health {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, CheckResult>>;
}

export interface HealthOptions {
  /** How long one check may take. */
  readonly timeoutMs?: number;
  /** Milliseconds on a clock that only goes forward. */
  readonly now?: () => number;
}

/** Makes every check at once. One that takes too long counts as failed; its signal tells it to stop. */
export async function checkHealth(
  checks: Readonly<Record<string, Check>>,
  { timeoutMs = 2_000, now = () => performance.now() }: HealthOptions = {},
): Promise<Health> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await makeCheck(check, timeoutMs, now)] as const),
  );
  return { ok: results.every(([, { ok }]) => ok), checks: Object.fromEntries(results) };
}

async function makeCheck(check: Check, timeoutMs: number, now: () => number): Promise<CheckResult> {
  const startedAt = now();
  const over = new AbortController();
  const tooLong = delay(timeoutMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`no answer within ${timeoutMs} ms`);
  });
  // The loser of the race may still reject, long after anyone listens.
  tooLong.catch(() => {});
  const ended = (ok: boolean, detail: string | undefined): CheckResult => ({
    ok,
    ...(detail === undefined ? {} : { detail }),
    ms: Math.round(now() - startedAt),
  });
  try {
    const looking = Promise.resolve().then(() => check(over.signal));
    return ended(true, (await Promise.race([looking, tooLong])) ?? undefined);
  } catch (error) {
    return ended(false, error instanceof Error ? error.message : String(error));
  } finally {
    over.abort();
  }
}
