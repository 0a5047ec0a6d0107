import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import {
  defaultPrefix,
  openEngine,
  openStorage,
  prefixOption,
  type StageName,
  stageNames,
  startWorker,
  timeoutsOf,
} from "@reelq/engine";
import { openLogger, openShutdown, readCommandLine, SettingsError } from "@reelq/service";
import { openUpstream } from "@reelq/upstream";
import { readWorkerEnvironment } from "./env.ts";
import { logFacts } from "./log-facts.ts";

/** After this, work that goes on is cut off; the next worker finds it. */
const closeWithinMs = 15_000;

await main().catch((error: unknown) => {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error.exitCode);
});

async function main(): Promise<void> {
  const { stages, prefix } = readArguments();
  const env = readWorkerEnvironment(process.env);
  const log = openLogger({ name: "worker", level: env.logLevel });
  const shutdown = openShutdown({ log });
  const storage = openStorage(env.storageUrl, {
    accessKeyId: env.awsAccessKeyId,
    secretAccessKey: env.awsSecretAccessKey,
    region: env.awsRegion,
    endpoint: env.awsEndpointUrl,
  });
  const engine = openEngine({ redisUrl: env.redisUrl, fleet: env.fleet, storage, patient: true, prefix });
  logFacts(engine.facts, log);
  shutdown.onShutdown("engine", () => engine.close());
  const upstreams = Object.entries(env.fleet.upstreams).map(([name, entry]) =>
    openUpstream({ name, url: entry.url, key: entry.key, createFormat: entry.format, timeouts: timeoutsOf(entry) }),
  );
  shutdown.onShutdown("upstreams", () => Promise.all(upstreams.map((upstream) => upstream.close())));
  const name = `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const worker = await startWorker(engine, {
    name,
    stages,
    concurrency: env.concurrency,
    upstreams,
    doubtPolicy: env.inDoubt,
  });
  shutdown.onShutdown("stages", () => worker.close(closeWithinMs));
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

function readArguments(): { stages: readonly StageName[]; prefix: string } {
  const { stages, prefix } = readCommandLine("Runs the stages: sends queued videos, looks at renders, stores files.", [
    { name: "stages", value: stageNames.join(","), help: "only these; all where left out", judge: refuseStages },
    prefixOption,
  ]);
  return {
    stages: stages === undefined ? stageNames : (namesIn(stages) as StageName[]),
    prefix: prefix ?? defaultPrefix,
  };
}

const namesIn = (text: string): string[] => text.split(",").map((name) => name.trim());

function refuseStages(text: string): string | undefined {
  const unknown = namesIn(text).find((name) => !(stageNames as readonly string[]).includes(name));
  return unknown === undefined ? undefined : `--stages: "${unknown}" is no stage; allowed: ${stageNames.join(", ")}.`;
}
