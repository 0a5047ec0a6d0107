import type { BatchId, DeliveryStatus, Lane, Status, VideoId } from "@reelq/contract";
import { laneName } from "./lane.ts";

/**
 * Every key the ledger uses, with its Redis type. All of them, and BullMQ's own, share one hash tag, so that a
 * script may touch any of them and Redis Cluster keeps them together.
 */
export interface Keys {
  /** What BullMQ puts before its queues' names. */
  readonly prefix: string;
  /** STRING `version status json`: one video's record. */
  readonly video: (id: VideoId) => string;
  /** ZSET, all scores 0, so ordered by id, which is by age: every video. */
  readonly videos: string;
  /** SET: every project that ever had a video. */
  readonly projects: string;
  /** ZSET like `videos`: a project's in one status. */
  readonly status: (project: string, status: Status) => string;
  /** ZSET id -> ms since 1970: when the next step of a video that is not final is due. */
  readonly due: string;
  /** ZSET id -> ms since 1970: when somebody should hear that a video is still where it is. */
  readonly alarms: string;
  /** HASH attempt number -> `upstream task`: what a worker brought that had been taken for lost. */
  readonly evidence: (id: VideoId) => string;
  /** STREAM of moves, alarms and what else a project should hear of; see `event-stream.ts`. */
  readonly events: string;
  /** STRING `fingerprint id`, expires: what an idempotency key was first used for by an API key. */
  readonly idempotency: (apiKey: string, key: string) => string;
  /** ZSET id -> ms since 1970, expires: the videos that one request without an idempotency key made; see `scripts/memory.lua`. */
  readonly repeats: (apiKey: string, fingerprint: string) => string;
  /** HASH id -> JSON list of object keys: files of deleted videos that are still to be removed. */
  readonly trash: string;
  /** HASH id -> JSON: the API keys, hashed; see `api-keys.ts`. */
  readonly apiKeys: string;
  /** STRING: what the cookies of browsers are signed with. */
  readonly cookieSecret: string;
  /** HASH id -> JSON: the files that producers uploaded; see `files.ts`. */
  readonly uploads: string;
  /** ZSET, all scores 0, so by age: a project's uploaded files. */
  readonly projectUploads: (project: string) => string;
  /** STRING id: the video that owns an upstream's task. */
  readonly task: (upstream: string, task: string) => string;
  /** ZSET task -> ms since 1970: the latest tasks that videos came to own at an upstream. */
  readonly recentTasks: (upstream: string) => string;
  /** ZSET, all scores 0, so by age: the queued videos of a lane. */
  readonly waiting: (lane: Lane) => string;
  /** ZSET of `model id`, all scores 0, so a lane's stand together: the videos that take up a place in an account. */
  readonly places: (upstream: string) => string;
  /** ZSET id -> ms since 1970: the same as older versions kept it; see `scripts/places.lua`. */
  readonly olderPlaces: (upstream: string) => string;
  /** HASH name -> count: what has happened since the ledger began; see `metrics.ts`. */
  readonly counters: string;
  /** ZSET id and version -> ms since 1970, by Redis's clock: the leaves to send that a lane gave in the last minute. */
  readonly sent: (lane: Lane) => string;
  /** ZSET like `sent`: those that a whole account gave. */
  readonly accountSent: (upstream: string) => string;
  /** ZSET of looks -> ms since 1970, by Redis's clock: those of a lane in the last second. */
  readonly looks: (lane: Lane) => string;
  /** STRING ms since 1970, expires: until when the looks of a lane are spoken for. */
  readonly looksAhead: (lane: Lane) => string;
  /** ZSET like `looks`: those at a whole account. */
  readonly accountLooks: (upstream: string) => string;
  /** STRING like `looksAhead`: of a whole account. */
  readonly accountLooksAhead: (upstream: string) => string;
  /** STRING with expiry: why a lane rests. */
  readonly rest: (lane: Lane) => string;
  /** HASH, expires: how many tasks at once a lane's refusals taught; see `scripts/leave.lua`. */
  readonly cap: (lane: Lane) => string;
  /** HASH like `cap`: how many the account lets run in all its lanes together. */
  readonly accountCap: (upstream: string) => string;
  /** HASH, expires: failures in a row at an upstream, and until when nothing is sent there; see `scripts/breaker.lua`. */
  readonly breaker: (upstream: string) => string;
  /** HASH of sums, expires: what finished renders of a lane and a length taught; see `learned.ts`. */
  readonly learned: (lane: Lane, seconds: number) => string;
  /** HASH like `learned`: the full sketch before it. */
  readonly learnedBefore: (lane: Lane, seconds: number) => string;
  /** HASH, see `batches/record.ts`: one batch, with its counts. */
  readonly batch: (id: BatchId) => string;
  /** ZSET, all scores 0, so by age: every batch. */
  readonly batches: string;
  /** ZSET like `batches`: a project's. */
  readonly projectBatches: (project: string) => string;
  /** SET: the batches that are not over. */
  readonly openBatches: string;
  /** STRING worker, expires: who keeps the batches. */
  readonly batchKeeper: string;
  /** STRING process, expires: who judges and accepts a batch's manifest. */
  readonly batchIntake: (id: BatchId) => string;
  /** HASH number -> JSON: a batch's clips; see `batches/clip.ts`. */
  readonly batchClips: (id: BatchId) => string;
  /** HASH custom id -> number of the first take: the lines of a batch. */
  readonly batchLines: (id: BatchId) => string;
  /** SET: the pools that a batch's clips wait in. */
  readonly batchPools: (id: BatchId) => string;
  /** ZSET video -> turn: the clips of a batch that wait to be let go to one model, or to one lane where they are bound to it. */
  readonly batchPool: (id: BatchId, pool: string) => string;
  /** SET of videos: those that remix a clip of a batch which is not stored yet. */
  readonly batchDependents: (id: BatchId, number: number) => string;
  /** HASH number -> video: clips that another batch is having rendered. */
  readonly batchShared: (id: BatchId) => string;
  /** ZSET of `batch number`, all scores 0: clips that have ended and were not looked at by the keeper. */
  readonly batchNews: string;
  /** STRING JSON: what projects and batches have had of a lane, for their weights; see `batches/fair-share.ts`. */
  readonly batchShares: (lane: Lane) => string;
  /** STRING `fingerprint id`, expires: the batch that a request made. */
  readonly batchMemory: (apiKey: string, name: string) => string;
  /** HASH render key -> video: what was rendered last for it in a project. */
  readonly renders: (project: string) => string;
  /** HASH account -> micro-USD: what is reserved, charged and not known of one scope; see `money.ts`. */
  readonly money: (scope: string) => string;
  /** SET: every scope that money was ever reserved for. */
  readonly moneyScopes: string;
  /** STREAM of postings: each amount that went from one account to another. */
  readonly moneyJournal: string;
  /** HASH `scope account` -> micro-USD: the sums of postings that are no longer in the journal. */
  readonly moneyOpening: string;
  /** HASH `scope account` -> micro-USD: of the balances, what belongs to videos that were deleted. */
  readonly moneyGone: string;
  /** HASH, see `webhooks/endpoint.ts`: where a project's events are sent, with its secret. */
  readonly webhookEndpoint: (id: string) => string;
  /** ZSET, all scores 0, so by age: every webhook endpoint. */
  readonly webhookEndpoints: string;
  /** ZSET like `webhookEndpoints`: a project's. */
  readonly projectWebhookEndpoints: (project: string) => string;
  /** HASH `secret`, `oldSecret`, `oldUntil`: what signs the webhooks of addresses that an API key names with single videos. */
  readonly webhookSigning: (apiKey: string) => string;
  /** STRING id: the last entry of `events` whose webhook deliveries are written. */
  readonly webhookCursor: string;
  /** STRING worker, expires: who reads `events` for webhooks. */
  readonly webhookReader: string;
  /** STREAM of one entry: something is to be delivered at once. */
  readonly webhookWakes: string;
  /** ZSET target -> ms since 1970: when somebody must look what is to be sent there. */
  readonly webhookTargets: string;
  /** HASH, see `webhooks/delivery.ts`; expires when it has ended: one event on its way to one target. */
  readonly webhookDelivery: (id: string) => string;
  /** ZSET delivery -> ms since 1970: the next tries at a target; of each video its first delivery only. */
  readonly webhookDue: (target: string) => string;
  /** ZSET delivery -> ms since 1970: what is being sent to a target, and until when its worker is taken to live. */
  readonly webhookClaims: (target: string) => string;
  /** LIST of deliveries: what a target is to hear of one video (or of anything else), in order. */
  readonly webhookOrder: (target: string, subject: string) => string;
  /** ZSET, all scores 0, so by age: a target's deliveries in one status; those that ended expire. */
  readonly webhookLog: (target: string, status: DeliveryStatus) => string;
  /** STRING ms since 1970, expires: when an address that was named with single videos answered 410. */
  readonly webhookGone: (target: string, urlDigest: string) => string;
  /** STRING JSON: which upstreams and models there are, for producers that share the Redis; see `fleet-notice.ts`. */
  readonly fleet: string;
  /** STRING with expiry: a worker lives. */
  readonly worker: (name: string) => string;
  /** ZSET name -> ms since 1970: until when each worker is taken to live. */
  readonly workers: string;
  /** STRING with expiry: somebody sweeps. */
  readonly sweeping: string;
  /** STRING with expiry: unfinished uploads were looked for. */
  readonly tidying: string;
}

export const defaultPrefix = "{reelq}";

/** How a process is told of another prefix: API and workers that belong together share one. */
export const prefixOption = {
  name: "prefix",
  value: defaultPrefix,
  help: "before every key in Redis, in braces; the same for all that belong together",
  judge: (prefix: string) =>
    /^\{[A-Za-z0-9._-]+\}$/.test(prefix)
      ? undefined
      : `--prefix: "${prefix}" must be a name in braces, like ${defaultPrefix}.`,
};

export function keysFor(prefix: string): Keys {
  return {
    prefix,
    video: (id) => `${prefix}:video:${id}`,
    videos: `${prefix}:videos`,
    projects: `${prefix}:projects`,
    status: (project, status) => `${prefix}:status:${project}:${status}`,
    due: `${prefix}:due`,
    alarms: `${prefix}:alarms`,
    evidence: (id) => `${prefix}:evidence:${id}`,
    counters: `${prefix}:counters`,
    events: `${prefix}:events`,
    idempotency: (apiKey, key) => `${prefix}:idempotency:${apiKey}:${key}`,
    repeats: (apiKey, fingerprint) => `${prefix}:repeats:${apiKey}:${fingerprint}`,
    trash: `${prefix}:trash`,
    apiKeys: `${prefix}:api-keys`,
    cookieSecret: `${prefix}:cookie-secret`,
    uploads: `${prefix}:uploads`,
    projectUploads: (project) => `${prefix}:uploads:${project}`,
    task: (upstream, task) => `${prefix}:task:${upstream}:${task}`,
    recentTasks: (upstream) => `${prefix}:recent-tasks:${upstream}`,
    waiting: (lane) => `${prefix}:waiting:${laneName(lane)}`,
    places: (upstream) => `${prefix}:places:${upstream}`,
    olderPlaces: (upstream) => `${prefix}:account-in-flight:${upstream}`,
    sent: (lane) => `${prefix}:sent:${laneName(lane)}`,
    accountSent: (upstream) => `${prefix}:account-sent:${upstream}`,
    looks: (lane) => `${prefix}:looks:${laneName(lane)}`,
    looksAhead: (lane) => `${prefix}:looks-ahead:${laneName(lane)}`,
    accountLooks: (upstream) => `${prefix}:account-looks:${upstream}`,
    accountLooksAhead: (upstream) => `${prefix}:account-looks-ahead:${upstream}`,
    rest: (lane) => `${prefix}:rest:${laneName(lane)}`,
    cap: (lane) => `${prefix}:cap:${laneName(lane)}`,
    accountCap: (upstream) => `${prefix}:account-cap:${upstream}`,
    breaker: (upstream) => `${prefix}:breaker:${upstream}`,
    learned: (lane, seconds) => `${prefix}:learned:${laneName(lane)}/${seconds}`,
    learnedBefore: (lane, seconds) => `${prefix}:learned-before:${laneName(lane)}/${seconds}`,
    batch: (id) => `${prefix}:batch:${id}`,
    batches: `${prefix}:batches`,
    projectBatches: (project) => `${prefix}:batches:${project}`,
    openBatches: `${prefix}:open-batches`,
    batchKeeper: `${prefix}:batch-keeper`,
    batchIntake: (id) => `${prefix}:batch-intake:${id}`,
    batchClips: (id) => `${prefix}:batch-clips:${id}`,
    batchLines: (id) => `${prefix}:batch-lines:${id}`,
    batchPools: (id) => `${prefix}:batch-pools:${id}`,
    batchPool: (id, pool) => `${prefix}:batch-pool:${id}:${pool}`,
    batchDependents: (id, number) => `${prefix}:batch-dependents:${id}:${number}`,
    batchShared: (id) => `${prefix}:batch-shared:${id}`,
    batchNews: `${prefix}:batch-news`,
    batchShares: (lane) => `${prefix}:batch-shares:${laneName(lane)}`,
    batchMemory: (apiKey, name) => `${prefix}:batch-memory:${apiKey}:${name}`,
    renders: (project) => `${prefix}:renders:${project}`,
    money: (scope) => `${prefix}:money:${scope}`,
    moneyScopes: `${prefix}:money-scopes`,
    moneyJournal: `${prefix}:money-journal`,
    moneyOpening: `${prefix}:money-opening`,
    moneyGone: `${prefix}:money-gone`,
    webhookEndpoint: (id) => `${prefix}:webhook-endpoint:${id}`,
    webhookEndpoints: `${prefix}:webhook-endpoints`,
    projectWebhookEndpoints: (project) => `${prefix}:webhook-endpoints:${project}`,
    webhookSigning: (apiKey) => `${prefix}:webhook-signing:${apiKey}`,
    webhookCursor: `${prefix}:webhook-cursor`,
    webhookReader: `${prefix}:webhook-reader`,
    webhookWakes: `${prefix}:webhook-wakes`,
    webhookTargets: `${prefix}:webhook-targets`,
    webhookDelivery: (id) => `${prefix}:webhook-delivery:${id}`,
    webhookDue: (target) => `${prefix}:webhook-due:${target}`,
    webhookClaims: (target) => `${prefix}:webhook-claims:${target}`,
    webhookOrder: (target, subject) => `${prefix}:webhook-order:${target}:${subject}`,
    webhookLog: (target, status) => `${prefix}:webhook-log:${target}:${status}`,
    webhookGone: (target, urlDigest) => `${prefix}:webhook-gone:${target}:${urlDigest}`,
    fleet: `${prefix}:fleet`,
    worker: (name) => `${prefix}:worker:${name}`,
    workers: `${prefix}:workers`,
    sweeping: `${prefix}:sweeping`,
    tidying: `${prefix}:tidying`,
  };
}
