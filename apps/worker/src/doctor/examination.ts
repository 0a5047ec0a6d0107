import { openStorage, reportRedis, type Storage, StorageError, timeoutsOf } from "@reelq/engine";
import { awsOf, SettingsError } from "@reelq/service";
import { openUpstream, type Upstream, UpstreamSettingsError } from "@reelq/upstream";
import { type Finding, type Look, make } from "./check.ts";
import { pageOf } from "./page.ts";
import { judgeRedis } from "./redis.ts";
import { hushing, secretsOf, type WorkerEnvironment } from "./secrets.ts";
import { shownSettings } from "./settings.ts";
import { tryStorage } from "./storage.ts";
import { judgeProbe } from "./upstream.ts";

/**
 * Prints the settings without their secrets, and how Redis, storage and upstreams do; says whether nothing failed.
 * @throws SettingsError before anything is touched
 */
export async function printExamination(
  env: WorkerEnvironment,
  prefix: string,
  form: "page" | "json",
  write: (text: string) => void,
): Promise<boolean> {
  const { storage, upstreams } = openParts(env);
  const settings = shownSettings(env, prefix, storage.place);
  const hush = hushing(secretsOf(env));
  // All at once, told in their order.
  const checks = (await Promise.all(looksAt(env, prefix, storage, upstreams).map((look) => make(look, hush)))).flat();
  const ok = checks.every(({ state }) => state !== "fail");
  write(form === "json" ? `${JSON.stringify({ settings, checks, ok }, null, 2)}\n` : pageOf(settings, checks));
  // What hangs is cut with the process.
  for (const upstream of upstreams) void upstream.close();
  return ok;
}

interface Parts {
  readonly storage: Storage;
  readonly upstreams: readonly Upstream[];
}

/** Opens what a worker would open; nothing is asked yet. */
function openParts(env: WorkerEnvironment): Parts {
  const mistakes: string[] = [];
  const attempt = <Part>(open: () => Part): Part[] => {
    try {
      return [open()];
    } catch (error) {
      if (!(error instanceof StorageError || error instanceof UpstreamSettingsError)) throw error;
      mistakes.push(error.message);
      return [];
    }
  };
  const [storage] = attempt(() => openStorage(env.storageUrl, awsOf(env)));
  const upstreams = Object.entries(env.fleet.upstreams).flatMap(([name, entry]) =>
    attempt(() =>
      openUpstream({ name, url: entry.url, key: entry.key, createFormat: entry.format, timeouts: timeoutsOf(entry) }),
    ),
  );
  if (storage === undefined || mistakes.length > 0) throw new SettingsError("the settings", mistakes);
  return { storage, upstreams };
}

function looksAt(env: WorkerEnvironment, prefix: string, storage: Storage, upstreams: readonly Upstream[]): Look[] {
  const { redisUrl: url, fleet, inDoubt } = env;
  return [
    {
      name: "redis",
      advice: "Check REDIS_URL, the password and the network: nothing works without Redis.",
      examine: async (signal) =>
        judgeRedis(await reportRedis({ url, prefix, upstreams: Object.keys(fleet.upstreams), signal })),
    },
    {
      name: "storage",
      advice: "Mend STORAGE_URL or the place it names: a finished video could not be kept.",
      examine: (signal) => tryStorage(storage, signal),
    },
    ...upstreams.map((upstream) => ({
      name: `upstream ${upstream.name}`,
      advice: "Check its url and the network; if both are right, ask who runs it.",
      examine: async (): Promise<Finding[]> => [
        judgeProbe(upstream.name, await upstream.probe(), fleet.capability(upstream.name, "list"), inDoubt),
      ],
    })),
  ];
}
