import { ProblemError } from "@reelq/contract";
import {
  type ApiKeys,
  defaultPrefix,
  type Engine,
  openEngine,
  cookieSecretOf,
  openApiKeys,
  noteFleet,
  openBatches,
  openKeyring,
  openPerson,
  openStorage,
  prefixOption,
  producerOn,
} from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import {
  awsOf,
  checkHealth,
  isLoopback,
  openLogger,
  openShutdown,
  readCommandLine,
  readEnvironment,
  refusePublicWithoutKeys,
  settings,
  SettingsError,
} from "@reelq/service";
import { openWeb } from "@reelq/web";
import { readApiEnvironment } from "./env.ts";
import { keysOptions, NoAnswerError, readKeysCommand, runKeys } from "./keys.ts";
import { openOutside } from "./outside.ts";
import { startApi } from "./server.ts";

/** Replies in progress may take so long to end. */
const closeWithinMs = 10_000;

await main().catch((error: unknown) => {
  const { exitCode, message } = asStartFailure(error);
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
});

async function main(): Promise<void> {
  const given = readCommandLine("Serves the HTTP API and Bull Board.", [prefixOption, ...keysOptions]);
  const { prefix = defaultPrefix } = given;
  const command = readKeysCommand(given);
  if (command) {
    const { redisUrl } = readEnvironment({ redisUrl: settings.redisUrl }, process.env);
    return runKeys(
      command,
      { redisUrl, prefix },
      { say: (text) => process.stdout.write(text), remark: (text) => process.stderr.write(text) },
    );
  }
  const env = readApiEnvironment(process.env);
  const log = openLogger({ name: "api", level: env.logLevel });
  const shutdown = openShutdown({ log });
  const storage = openStorage(env.storageUrl, awsOf(env));
  const engine = openEngine({ redisUrl: env.redisUrl, fleet: env.fleet, storage, patient: false, prefix });
  shutdown.onShutdown("engine", () => engine.close());
  const apiKeys = openApiKeys(engine);
  const hasKeys =
    env.apiKeys.length > 0 || isLoopback(env.host) || (await hasStoredKey(apiKeys, env.host, env.redisUrl));
  const isUnguarded = refusePublicWithoutKeys(env.host, hasKeys);
  if (isUnguarded !== undefined) throw new SettingsError("the settings", [isUnguarded]);
  engine.facts.on("hiccup", ({ where, error }) => log.warn({ where, err: error }, "will be tried again"));
  const web = openWeb({ allow: env.allowAddresses });
  const outside = openOutside(web, env.allowAddresses);
  const producer = producerOn(engine, outside);
  const batches = openBatches(engine, { producer, outside, readManifest });
  shutdown.onShutdown("manifests", () => batches.close());
  const api = await startApi({
    engine,
    producer,
    person: openPerson(engine, producer),
    batches,
    keyring: openKeyring({ apiKeys, clock: engine.clock, given: env.apiKeys, mayBeOpen: isLoopback(env.host) }),
    cookieSecret: () => cookieSecretOf(engine),
    rateLimit: env.rateLimit,
    corsOrigins: env.corsOrigins,
    allowAddresses: env.allowAddresses,
    health: async () => {
      const health = await checkHealth({ redis: () => engine.ping(), storage: () => storage.probe() });
      return { ...health, upstreams: health.checks["redis"]?.ok ? await upstreamsOf(engine) : {} };
    },
    host: env.host,
    port: env.port,
    onError: (error, request) => log.error({ err: error, ...request }, "a call failed"),
  });
  shutdown.onShutdown("http", () => api.close(closeWithinMs));
  await noteFleet(engine).catch((error: unknown) => log.warn({ err: error }, "the fleet was not noted in Redis"));
  log.info({ url: api.url, board: `${api.url}/board` }, "ready");
  process.send?.({ ready: true, url: api.url });
}

async function hasStoredKey(apiKeys: ApiKeys, host: string, redisUrl: string): Promise<boolean> {
  try {
    return await apiKeys.any();
  } catch (error) {
    const need = `HOST is "${host}", which others can reach, and REELQ_API_KEYS names no key, so there must be one in Redis.`;
    throw new NoAnswerError(need, error, redisUrl);
  }
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
  if (error instanceof SettingsError || error instanceof NoAnswerError) return error;
  // Of keys: what can be mended is wrong usage; a name that is taken is not.
  if (error instanceof ProblemError) return { exitCode: error.status === 409 ? 1 : 2, message: error.message };
  const { code, port, address } = error as { code?: string; port?: number; address?: string };
  if (code === "EADDRINUSE")
    return {
      exitCode: 2,
      message: `Port ${port} of ${address} is in use; set PORT to another one, or to 0 for a free one.`,
    };
  throw error;
}
