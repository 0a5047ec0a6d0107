import {
  defaultPrefix,
  type Engine,
  openEngine,
  openPerson,
  openProducer,
  openStorage,
  prefixOption,
} from "@reelq/engine";
import { awsOf, checkHealth, openLogger, openShutdown, readCommandLine, SettingsError } from "@reelq/service";
import { readApiEnvironment } from "./env.ts";
import { startApi } from "./server.ts";

/** Replies in progress may take so long to end. */
const closeWithinMs = 10_000;

await main().catch((error: unknown) => {
  const { exitCode, message } = asStartFailure(error);
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
});

async function main(): Promise<void> {
  const { prefix = defaultPrefix } = readCommandLine("Serves the HTTP API and Bull Board.", [prefixOption]);
  const env = readApiEnvironment(process.env);
  const log = openLogger({ name: "api", level: env.logLevel });
  const shutdown = openShutdown({ log });
  const storage = openStorage(env.storageUrl, awsOf(env));
  const engine = openEngine({ redisUrl: env.redisUrl, fleet: env.fleet, storage, patient: false, prefix });
  engine.facts.on("hiccup", ({ where, error }) => log.warn({ where, err: error }, "will be tried again"));
  shutdown.onShutdown("engine", () => engine.close());
  const producer = openProducer(engine);
  const api = await startApi({
    engine,
    producer,
    person: openPerson(engine, producer),
    keys: env.apiKeys,
    health: async () => {
      const health = await checkHealth({ redis: () => engine.ping(), storage: () => storage.probe() });
      return { ...health, upstreams: health.checks["redis"]?.ok ? await upstreamsOf(engine) : {} };
    },
    host: env.host,
    port: env.port,
    onError: (error, request) => log.error({ err: error, ...request }, "a call failed"),
  });
  shutdown.onShutdown("http", () => api.close(closeWithinMs));
  log.info({ url: api.url, board: `${api.url}/board` }, "ready");
  process.send?.({ ready: true, url: api.url });
}

/** An upstream that cannot be reached does not make the API unready: what it accepts is durable, and waits. */
async function upstreamsOf({ fleet, ledger }: Engine) {
  const breakers = await ledger.breakers(Object.keys(fleet.upstreams));
  return Object.fromEntries(
    breakers.map(({ upstream, state, why, waitMs }) => [
      upstream,
      state === "closed" ? { breaker: state } : { breaker: state, why, seconds: Math.ceil(waitMs / 1000) },
    ]),
  );
}

function asStartFailure(error: unknown): { exitCode: number; message: string } {
  if (error instanceof SettingsError) return error;
  const { code, port, address } = error as { code?: string; port?: number; address?: string };
  if (code === "EADDRINUSE")
    return {
      exitCode: 2,
      message: `Port ${port} of ${address} is in use; set PORT to another one, or to 0 for a free one.`,
    };
  throw error;
}
