import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { noteFleet, openEngine, openStorage, startWebhookWorker, startWorker, timeoutsOf } from "@reelq/engine";
import { awsOf, openLogger, openShutdown, SettingsError } from "@reelq/service";
import { openUpstream } from "@reelq/upstream";
import { openWeb } from "@reelq/web";
import { printAudit } from "./audit.ts";
import { readArguments } from "./arguments.ts";
import { printExamination } from "./doctor/examination.ts";
import { readWorkerEnvironment } from "./env.ts";
import { logFacts } from "./log-facts.ts";
import { writeReport } from "./report.ts";

/** After this, work that goes on is cut off; the next worker finds it. */
const closeWithinMs = 15_000;

/** A webhook that takes longer is sent again. */
const giveBackWithinMs = 5_000;

/** The audit's exit code where Redis or the storage does not answer. */
const nothingAnswered = 3;

await main().catch((error: unknown) => {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error.exitCode);
});

async function main(): Promise<void> {
  const { stages, prefix, auditing, examining } = readArguments();
  const env = readWorkerEnvironment(process.env);
  const log = openLogger({ name: "worker", level: examining === undefined ? env.logLevel : "silent" });
  const shutdown = openShutdown({ log, exitCodeAfterSignal: examining === undefined ? "zero" : "signal" });
  if (examining !== undefined) {
    const isWell = await printExamination(env, prefix, examining, (text) => process.stdout.write(text));
    return shutdown.begin("the examination is done", isWell ? 0 : 1);
  }
  const storage = openStorage(env.storageUrl, awsOf(env));
  const engine = openEngine({
    redisUrl: env.redisUrl,
    fleet: env.fleet,
    storage,
    patient: auditing === undefined,
    prefix,
  });
  logFacts(engine.facts, log);
  shutdown.onShutdown("engine", () => engine.close());
  if (auditing !== undefined) {
    try {
      const isSound = await printAudit(engine, auditing === "mend", (text) => process.stdout.write(text));
      return shutdown.begin("the audit is done", isSound ? 0 : 1);
    } catch (error) {
      const { name, message } = error as Error;
      const why = name === "MaxRetriesPerRequestError" ? "Redis does not answer at REDIS_URL." : message;
      process.stderr.write(`The audit could not be made: ${why}\n`);
      return shutdown.begin("the audit could not be made", nothingAnswered);
    }
  }
  const upstreams = Object.entries(env.fleet.upstreams).map(([name, entry]) =>
    openUpstream({ name, url: entry.url, key: entry.key, createFormat: entry.format, timeouts: timeoutsOf(entry) }),
  );
  // Not waited for: a POST that outlasted the stages' time is left to the next worker.
  shutdown.onShutdown("upstreams", () => {
    for (const upstream of upstreams) void upstream.close();
  });
  const name = `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const worker = await startWorker(engine, {
    name,
    stages,
    concurrency: env.concurrency,
    upstreams,
    doubtPolicy: env.inDoubt,
    report: (sources) => writeReport(sources, storage, engine.clock.now()),
  });
  await noteFleet(engine);
  const web = openWeb({ allow: env.allowAddresses });
  const webhooks = startWebhookWorker(engine, { name, send: (url, options) => web.post(url, options) });
  // Side by side: all steps together have little longer than the stages may take.
  shutdown.onShutdown("stages", () => Promise.all([worker.close(closeWithinMs), webhooks.close(giveBackWithinMs)]));
  log.info(
    {
      worker: name,
      stages,
      lanes: env.fleet.lanes.map((lane) => `${lane.upstream}/${lane.model}`),
      storage: storage.place,
    },
    "ready",
  );
  process.send?.({ ready: true });
}
