import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fleetSchema, keysFor } from "@reelq/engine";
import { readConfigFile, settings } from "@reelq/service";
import { describe, expect, test } from "vitest";

const root = new URL("../..", import.meta.url);

const pages = [
  "README.md",
  ...readdirSync(new URL("docs", root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

const text = (page: string): string => readFileSync(new URL(page, root), "utf8");

/** The first cell of each row of a page's tables, with the second. */
const rowsOf = (page: string): ReadonlyMap<string, string> =>
  new Map(
    [...text(page).matchAll(/^\| `([^`]+)` \|([^|]*)\|/gm)].map(([, first = "", second = ""]) => [
      first,
      second.trim(),
    ]),
  );

describe.each(pages)("%s", (page) => {
  const addresses = [...text(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, address]) => address ?? "");
  const links = addresses.filter((address) => !address.startsWith("http"));
  const files = text(page).match(/(?<=`)(?:packages|apps|scripts|test|docs)\/[^`*\s]+(?=`)/g) ?? [];

  test("links to files that exist", () => {
    expect(links.filter((link) => !existsSync(new URL(link, new URL(page, root))))).toEqual([]);
  });

  test("names files of the repository that exist", () => {
    expect(files.filter((file) => !existsSync(new URL(file, root)))).toEqual([]);
  });
});

test("docs/operations.md has every setting, with its default", () => {
  const rows = rowsOf("docs/operations.md");
  const ours = Object.values(settings).map(({ variable, schema }) => {
    const byDefault = schema.safeParse(undefined).data;
    const isSaid = typeof byDefault === "string" || typeof byDefault === "number";
    return [variable, isSaid ? `\`${byDefault}\`` : ""] as const;
  });
  expect(ours.map(([variable]) => [variable, rows.get(variable)])).toEqual(ours);
});

test("the file of REELQ_CONFIG in docs/operations.md is accepted, and its times are the defaults", () => {
  const [, example = ""] = /```yaml\n([^]*?)```/.exec(text("docs/operations.md")) ?? [];
  const { config } = readConfigFile("example", example, { NORTH_KEY: "a-key" }, fleetSchema);
  expect(config.upstreams["north"]).toMatchObject({ key: "a-key", limits: { inFlight: 3 } });
  expect(config.timings).toEqual(fleetSchema.parse({}).timings);
});

test("docs/architecture.md has every key of the ledger", () => {
  const keys = keysFor("{reelq}");
  const lane = { upstream: "UPSTREAM", model: "MODEL" };
  const ours: Record<keyof typeof keys, string> = {
    prefix: "{reelq}:QUEUE:...",
    video: keys.video("video_ID").replace("video_", ""),
    videos: keys.videos,
    projects: keys.projects,
    status: "{reelq}:status:PROJECT:STATUS",
    due: keys.due,
    alarms: keys.alarms,
    evidence: keys.evidence("video_ID").replace("video_", ""),
    events: keys.events,
    idempotency: keys.idempotency("API_KEY", "KEY"),
    repeats: keys.repeats("API_KEY", "REQUEST"),
    trash: keys.trash,
    apiKeys: keys.apiKeys,
    cookieSecret: keys.cookieSecret,
    uploads: keys.uploads,
    projectUploads: keys.projectUploads("PROJECT"),
    task: keys.task("UPSTREAM", "TASK"),
    waiting: keys.waiting(lane),
    places: keys.places("UPSTREAM"),
    olderPlaces: keys.olderPlaces("UPSTREAM"),
    rest: keys.rest(lane),
    counters: keys.counters,
    recentTasks: keys.recentTasks("UPSTREAM"),
    sent: keys.sent(lane),
    accountSent: keys.accountSent("UPSTREAM"),
    looks: keys.looks(lane),
    looksAhead: keys.looksAhead(lane),
    accountLooks: keys.accountLooks("UPSTREAM"),
    accountLooksAhead: keys.accountLooksAhead("UPSTREAM"),
    cap: keys.cap(lane),
    accountCap: keys.accountCap("UPSTREAM"),
    breaker: keys.breaker("UPSTREAM"),
    learned: keys.learned(lane, 10).replace(/10$/, "SECONDS"),
    learnedBefore: keys.learnedBefore(lane, 10).replace(/10$/, "SECONDS"),
    batch: "{reelq}:batch:ID",
    batches: keys.batches,
    projectBatches: keys.projectBatches("PROJECT"),
    openBatches: keys.openBatches,
    batchKeeper: keys.batchKeeper,
    batchIntake: "{reelq}:batch-intake:ID",
    batchClips: "{reelq}:batch-clips:ID",
    batchLines: "{reelq}:batch-lines:ID",
    batchPools: "{reelq}:batch-pools:ID",
    batchPool: "{reelq}:batch-pool:ID:POOL",
    batchDependents: "{reelq}:batch-dependents:ID:NUMBER",
    batchShared: "{reelq}:batch-shared:ID",
    batchNews: keys.batchNews,
    batchShares: keys.batchShares(lane),
    batchMemory: keys.batchMemory("API_KEY", "NAME"),
    renders: keys.renders("PROJECT"),
    money: keys.money("SCOPE"),
    moneyScopes: keys.moneyScopes,
    moneyJournal: keys.moneyJournal,
    moneyOpening: keys.moneyOpening,
    moneyGone: keys.moneyGone,
    webhookEndpoint: keys.webhookEndpoint("ID"),
    webhookEndpoints: keys.webhookEndpoints,
    projectWebhookEndpoints: keys.projectWebhookEndpoints("PROJECT"),
    webhookSigning: keys.webhookSigning("KEY"),
    webhookCursor: keys.webhookCursor,
    webhookReader: keys.webhookReader,
    webhookWakes: keys.webhookWakes,
    webhookTargets: keys.webhookTargets,
    webhookDelivery: keys.webhookDelivery("ID"),
    webhookDue: keys.webhookDue("TARGET"),
    webhookClaims: keys.webhookClaims("TARGET"),
    webhookOrder: keys.webhookOrder("TARGET", "SUBJECT"),
    webhookLog: keys.webhookLog("TARGET", "pending").replace(/pending$/, "STATUS"),
    webhookGone: keys.webhookGone("TARGET", "URL"),
    fleet: keys.fleet,
    worker: keys.worker("NAME"),
    workers: keys.workers,
    sweeping: keys.sweeping,
    tidying: keys.tidying,
  };
  const rows = rowsOf("docs/architecture.md");
  expect(Object.values(ours).filter((key) => !rows.has(key))).toEqual([]);
});
