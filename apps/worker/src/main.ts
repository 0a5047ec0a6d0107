import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { openEngine, openStorage, type StageName, stageNames, startWorker } from "@reelq/engine";
import { openLogger, openShutdown, SettingsError } from "@reelq/service";
import { openUpstream } from "@reelq/upstream";
import { readWorkerEnvironment } from "./env.ts";
import { logFacts } from "./log-facts.ts";

const help = `Runs the stages: sends queued videos, looks at renders, stores files.

  --stages submit,poll,download   only these (default: all)
  --help
`;

/** After this, work that goes on is cut off; the next worker finds it. */
const closeWithinMs = 15_000;

await main().catch((error: unknown) => {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error.exitCode);
});

async function main(): Promise<void> {
  const stages = readArguments();
  const env = readWorkerEnvironment(process.env);
  const log = openLogger({ name: "worker", level: env.logLevel });
  const shutdown = openShutdown({ log });
  const storage = openStorage(env.storageUrl, {
    accessKeyId: env.awsAccessKeyId,
    secretAccessKey: env.awsSecretAccessKey,
    region: env.awsRegion,
    endpoint: env.awsEndpointUrl,
  });
  const engine = openEngine({ redisUrl: env.redisUrl, fleet: env.fleet, storage, patient: true });
  logFacts(engine.facts, log);
  shutdown.onShutdown("engine", () => engine.close());
  const upstreams = Object.entries(env.fleet.upstreams).map(([name, { url, key, format }]) =>
    openUpstream({ name, url, key, createFormat: format }),
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

function readArguments(): readonly StageName[] {
  const mistake = (message: string): never => {
    process.stderr.write(`${message}\n\n${help}`);
    process.exit(2);
  };
  try {
    const { values } = parseArgs({ options: { stages: { type: "string" }, help: { type: "boolean", short: "h" } } });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const named = values.stages?.split(",").map((name) => name.trim()) ?? [...stageNames];
    const unknown = named.find((name) => !(stageNames as readonly string[]).includes(name));
    return unknown === undefined
      ? (named as StageName[])
      : mistake(`--stages: "${unknown}" is no stage; allowed: ${stageNames.join(", ")}.`);
  } catch (error) {
    return mistake((error as Error).message);
  }
}
