import { type Fleet, laneName, openFleet } from "@reelq/engine";
import { maskRedisUrl, maskSecret, type WorkerEnvironment } from "./secrets.ts";

type Lane = Fleet["lanes"][number];
type Entry = Fleet["upstreams"][string];

export type ShownSettings = ReturnType<typeof shownSettings>;
export type ShownUpstream = ShownSettings["upstreams"][number];
export type ShownLane = ShownSettings["lanes"][number];

/** The settings as they were understood, every secret masked; null: not set, or without limit. */
export function shownSettings(env: WorkerEnvironment, prefix: string, storagePlace: string) {
  const { fleet } = env;
  return {
    redisUrl: maskRedisUrl(env.redisUrl),
    prefix,
    configPath: env.configPath ?? null,
    storageUrl: env.storageUrl,
    /** A folder with its whole path. */
    storagePlace,
    awsEndpointUrl: env.awsEndpointUrl ?? null,
    awsRegion: env.awsRegion ?? null,
    awsAccessKeyId: maskSecret(env.awsAccessKeyId),
    awsSecretAccessKey: maskWhole(env.awsSecretAccessKey),
    awsSessionToken: maskWhole(env.awsSessionToken),
    inDoubt: env.inDoubt,
    concurrency: env.concurrency,
    logLevel: env.logLevel,
    upstreams: Object.entries(fleet.upstreams).map(([name, entry]) => shownUpstream(name, entry, fleet)),
    lanes: fleet.lanes.map((lane) => shownLane(lane, fleet)),
    equivalents: shownEquivalents(fleet),
    /** Whose, and in millionths of a US dollar. */
    budgets: shownBudgets(fleet),
    timings: fleet.timings,
    /** Those that differ from the defaults. */
    changedTimings: changedTimings(fleet),
  };
}

/** Nobody knows these by their ends. */
const maskWhole = (secret: string | undefined): string | null => (secret === undefined ? null : "set");

function shownUpstream(name: string, entry: Entry, fleet: Fleet) {
  return {
    name,
    url: entry.url,
    key: maskSecret(entry.key),
    format: entry.format ?? "auto",
    capabilities: {
      list: fleet.capability(name, "list"),
      range: fleet.capability(name, "range"),
      remix: fleet.capability(name, "remix"),
      variants: fleet.capability(name, "variants"),
    },
    retentionMs: fleet.retentionMs(name),
    /** True: nobody said it, and the shortest that was seen is taken. */
    retentionAssumed: entry.retentionSeconds === undefined,
    limits: shownLimits(entry.limits),
    timeouts: entry.timeouts ?? {},
  };
}

function shownLane(lane: Lane, fleet: Fleet) {
  const model = fleet.catalogue[lane.model];
  const { inFlight, perMinute, looksPerSecond } = fleet.limitsOf(lane).lane;
  return {
    name: laneName(lane),
    ...lane,
    wireModel: fleet.wireModel(lane),
    weight: fleet.weightOf(lane),
    limits: shownLimits({ inFlight, requestsPerMinute: perMinute, looksPerSecond }),
    seconds: model?.seconds ?? [],
    sizes: model?.sizes ?? [],
    price: fleet.tariffOf(lane) ?? null,
  };
}

function shownBudgets({ budgets, config, upstreams }: Fleet) {
  const all = [
    ["everything", budgets.all] as const,
    ...Object.keys(config.projects).map((project) => [`project ${project}`, budgets.of(project)] as const),
    ...Object.keys(upstreams).map((upstream) => [upstream, budgets.at(upstream)] as const),
  ];
  const caps = all.map(([of, { perDay = null, total = null }]) => ({ of, perDay, total }));
  return { timeZone: budgets.timeZone, caps: caps.filter(({ perDay, total }) => perDay !== null || total !== null) };
}

type Limits = NonNullable<Entry["limits"]>;

const shownLimits = ({ inFlight, requestsPerMinute, looksPerSecond }: Limits = {}) => ({
  inFlight: inFlight || null,
  requestsPerMinute: requestsPerMinute || null,
  looksPerSecond: looksPerSecond || null,
});

/** For each model those that may stand in for it, with the lengths that they share at any size. */
function shownEquivalents(fleet: Fleet) {
  return Object.entries(fleet.catalogue).flatMap(([model, { seconds, sizes }]) => {
    const shared = new Map<string, Set<number>>();
    for (const length of seconds)
      for (const size of sizes)
        for (const other of fleet.equivalentsOf({ model, seconds: length, size }))
          shared.set(other.model, (shared.get(other.model) ?? new Set()).add(length));
    const others = [...shared].map(([other, lengths]) => ({ model: other, seconds: [...lengths] }));
    return others.length === 0 ? [] : [{ model, others }];
  });
}

function changedTimings({ timings }: Fleet): Partial<Fleet["timings"]> {
  const defaults = new Map<string, number>(Object.entries(openFleet({}).timings));
  return Object.fromEntries(Object.entries(timings).filter(([name, ms]) => defaults.get(name) !== ms));
}
