import { type RedisReport, SECOND } from "@reelq/engine";
import type { Finding } from "./check.ts";
import { apart, spell } from "./time.ts";

const slowPingMs = 50;
const mostSkewMs = 2 * SECOND;

/** What a Redis that answers means for reelq. */
export function judgeRedis(report: RedisReport): Finding[] {
  return [
    judgeScripts(report),
    judgeVersion(report),
    judgePersistence(report),
    judgeEviction(report),
    judgeLatency(report),
    judgeClock(report),
    tellWorkers(report),
    ...report.breakers.flatMap(judgeBreaker),
  ];
}

function judgeScripts({ scriptRefusal }: RedisReport): Finding {
  const name = "redis";
  if (scriptRefusal === undefined) return { name, state: "ok", found: "it answers, runs scripts and can be written" };
  return {
    name,
    state: "fail",
    found: `it answers, and a script that writes was refused: ${scriptRefusal}`,
    advice: "Use a primary, not a replica, with a user who may write and call EVAL: every move is such a script.",
  };
}

function judgeVersion({ version }: RedisReport): Finding {
  const name = "redis version";
  if (version === undefined)
    return {
      name,
      state: "warn",
      found: "it cannot be seen, because INFO is refused",
      advice: "Make sure that it is Redis 6.2 or later, or Valkey.",
    };
  const isRedis = version.name === "Redis";
  const found = `${version.name} ${version.version}${isRedis ? "" : `, as Redis ${version.redisVersion}`}`;
  const [major = 0, minor = 0] = version.redisVersion.split(".").map(Number);
  if (major > 6 || (major === 6 && minor >= 2)) return { name, state: "ok", found };
  return {
    name,
    state: "fail",
    found,
    advice: "Use Redis 6.2 or later, or Valkey: BullMQ and reelq's scripts need commands that older ones lack.",
  };
}

const unseen = "how often it is written to disk cannot be seen, because CONFIG is refused";

function judgePersistence({ persistence: { appendOnly, appendFsync } }: RedisReport): Finding {
  const name = "redis persistence";
  const warn = (found: string, advice: string): Finding => ({ name, state: "warn", found, advice });
  const ask = "See at your provider that the append-only file is on, with appendfsync always or everysec.";
  if (appendOnly === undefined) return warn("it cannot be seen, because INFO is refused", ask);
  if (!appendOnly)
    return appendFsync === undefined
      ? warn("no append-only file is shown, and CONFIG is refused, so that more cannot be seen", ask)
      : warn(
          "there is no append-only file: a restart loses videos that were accepted",
          "Set appendonly yes and appendfsync always.",
        );
  switch (appendFsync) {
    case undefined:
      return warn(`there is an append-only file; ${unseen}`, ask);
    case "always":
      return { name, state: "ok", found: "append-only file, written to disk before each answer" };
    case "everysec":
      return { name, state: "ok", found: "append-only file, written to disk every second: up to a second can be lost" };
    default:
      return warn(
        `append-only file with appendfsync ${appendFsync}: a crash of the machine loses what was not on disk yet`,
        "Set appendfsync always, or everysec where up to a second may be lost.",
      );
  }
}

function judgeEviction({ eviction }: RedisReport): Finding {
  const name = "redis eviction";
  const advice = "Set maxmemory-policy noeviction: any other evicts records, idempotency keys or leases.";
  if (eviction === undefined)
    return { name, state: "warn", found: "it cannot be seen, because INFO does not show it", advice };
  const { policy, maxMemoryBytes } = eviction;
  const limit = maxMemoryBytes === 0 ? "no maxmemory" : `maxmemory ${Math.round(maxMemoryBytes / 2 ** 20)} MiB`;
  const found = `${policy}, ${limit}`;
  if (policy === "noeviction") return { name, state: "ok", found };
  if (maxMemoryBytes > 0)
    return { name, state: "fail", found: `${found}: it evicts the ledger when it is full`, advice };
  return { name, state: "warn", found: `${found}: nothing is evicted until there is one`, advice };
}

function judgeLatency({ pings: { count, medianMs, worstMs } }: RedisReport): Finding {
  const found = `${spell(medianMs)} median, ${spell(worstMs)} worst of ${count} PINGs`;
  const name = "redis latency";
  if (medianMs <= slowPingMs) return { name, state: "ok", found };
  return { name, state: "warn", found, advice: "Run workers nearer to Redis: a video takes about 155 commands." };
}

function judgeClock({ clockSkewMs }: RedisReport): Finding {
  const name = "redis clock";
  const found = apart(clockSkewMs);
  if (Math.abs(clockSkewMs) <= mostSkewMs) return { name, state: "ok", found };
  return {
    name,
    state: "warn",
    found,
    advice: "Let NTP set the clocks of all machines: limits and breakers go by Redis's, due times by the workers'.",
  };
}

/** Never a failure: a deployment is examined before its workers start, too. */
function tellWorkers({ workers }: RedisReport): Finding {
  const name = "workers";
  if (workers === undefined) return { name, state: "ok", found: "they cannot be counted: it is refused" };
  const count = workers === 0 ? "none is" : workers === 1 ? "1 is" : `${workers} are`;
  return { name, state: "ok", found: `${count} alive` };
}

function judgeBreaker({ upstream, state, kind, why, waitMs }: RedisReport["breakers"][number]): Finding[] {
  if (state === "closed") return [];
  const when = state === "open" ? `nothing is sent for ${spell(waitMs)} more` : "one video may try";
  return [
    {
      name: `breaker ${upstream}`,
      state: "warn",
      found: `${state === "open" ? "open" : "half open"}, ${when}: ${why}`,
      advice:
        kind === "account"
          ? "Pay, or mend the key; it closes with the first POST that passes."
          : "See what the check of this upstream says; it closes with the first POST that passes, or with looks after an outage.",
    },
  ];
}
