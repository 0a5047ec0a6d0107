import { randomBytes } from "node:crypto";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { seedCatalogue } from "@reelq/contract";
import { type Environment, startRedisServer } from "@reelq/service";
import { stringify } from "yaml";
import { startApp } from "../child.ts";

/** Renders take this part of their usual time: about five seconds a clip. */
const timeScale = 0.05;

/** A seed for which the batch takes its usual time. */
const seed = "demo";

/** Everything the demo runs on, on free ports, with nothing of the machine's own settings. */
export interface StageSet {
  readonly api: string;
  /** The simulator, without `/v1`. */
  readonly simulator: string;
  readonly logFile: string;
  strike(): Promise<void>;
}

/** Starts Redis (unless REDIS_URL is set), simulator, API and worker. */
export async function buildStage(env: Environment): Promise<StageSet> {
  const run = randomBytes(4).toString("hex");
  const folder = resolve(".reelq/demo", run);
  await mkdir(folder, { recursive: true });
  const logFile = resolve(".reelq/demo.log");
  const log = await open(logFile, "w");
  // The last one built is struck first.
  const built: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true }), () => log.close()];
  const strike = async () => {
    for (let part = built.pop(); part !== undefined; part = built.pop()) await part();
  };
  try {
    const clean = withoutSettings(env);
    const redisUrl = env["REDIS_URL"] || (await startRedis());
    const simulator = await start("simulator", {
      ...clean,
      PORT: "0",
      SIM_SEED: seed,
      SIM_TIME_SCALE: String(timeScale),
      SIM_KEYS: run,
    });
    const config = join(folder, "reelq.yaml");
    await writeFile(config, configFor(simulator), { mode: 0o600 });
    const shared = {
      ...clean,
      REDIS_URL: redisUrl,
      REELQ_CONFIG: config,
      STORAGE_URL: "file:.reelq/videos",
      DEMO_KEY: run,
      PORT: "0",
    };
    // A Redis that serves others too is shared politely: under a prefix of this run's own.
    const prefix = `--prefix={reelq-demo-${run}}`;
    const [api] = await Promise.all([start("api", shared, [prefix]), start("worker", shared, [prefix])]);
    return { api, simulator: new URL(simulator).origin, logFile, strike };

    async function startRedis(): Promise<string> {
      const redis = await startRedisServer({ dir: join(folder, "redis"), searchPath: env["PATH"] });
      built.push(() => redis.stop());
      return redis.url;
    }

    async function start(
      app: "api" | "worker" | "simulator",
      appEnv: Environment,
      args: readonly string[] = [],
    ): Promise<string> {
      const child = startApp(app, { env: appEnv, args, output: log.fd });
      built.push(() => child.stop());
      return (await child.ready) ?? "";
    }
  } catch (error) {
    await strike();
    throw error;
  }
}

/** Whatever is set for real work has no part in the demo. */
const withoutSettings = (env: Environment): Environment =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(UPSTREAM_|REELQ_|STORAGE_URL$|AWS_|SIM_|HOST$|PORT$|LOG_LEVEL$)/.test(name),
    ),
  );

/** The seed's models, with render times as the simulator scales them. */
function configFor(upstream: string): string {
  const models = Object.fromEntries(
    Object.entries(seedCatalogue).map(([name, model]) => [
      name,
      { ...model, typicalRenderSeconds: (model.typicalRenderSeconds ?? 105) * timeScale },
    ]),
  );
  return stringify({ upstreams: { demo: { url: upstream, key: "${DEMO_KEY}", limits: { inFlight: 10 } } }, models });
}
