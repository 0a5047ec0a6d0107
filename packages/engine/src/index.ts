export {
  type ApiKeyRecord,
  type ApiKeys,
  cookieSecretOf,
  defaultProject,
  type GivenKey,
  type Holder,
  isKeyName,
  type Keyring,
  openApiKeys,
  openKeyring,
} from "./api-keys.ts";
export { type EventFeed, type Interest, openEventFeed } from "./event-feed.ts";
export { isBefore } from "./event-stream.ts";
export type { Told } from "./told.ts";
export { openPulse, type Pulse } from "./pulse.ts";
export { openRateLimit, type Rate, type RateLimit, rateWindowSeconds } from "./rate-limit.ts";
export { type Kept, maxUploadBytes, openUploads, type Upload, uploadPurposes, type Uploads } from "./uploads.ts";
export { audit, type AuditReport } from "./audit.ts";
export type { Finding } from "./finding.ts";
export type { Batches, BatchListOptions, ClipListOptions } from "./batches/batches.ts";
export { type OpenBatches, openBatches } from "./batches/open-batches.ts";
export type { IntakeParts, ReadManifest } from "./batches/intake.ts";
export { type ReportSources, thumbnailUrl } from "./batches/sources.ts";
export type { Caller } from "./caller.ts";
export {
  type DirectProducer,
  type DirectProducerOptions,
  type DirectRequest,
  openProducer,
} from "./direct-producer.ts";
export { noteFleet } from "./fleet-notice.ts";
export { type Clock, DAY, type Dice, HOUR, MINUTE, SECOND } from "./clock.ts";
export { CorruptRecordError } from "./corrupt-record.ts";
export { type Engine, type EngineOptions, openEngine } from "./engine.ts";
export { type Explainer, type Explanation, openExplainer } from "./explain.ts";
export { type FactMap, Facts, type StageName, stageNames } from "./facts.ts";
export { type Fleet, openFleet, refuseUpstreams, timeoutsOf, withSingleUpstream } from "./fleet.ts";
export { type FleetConfig, fleetSchema } from "./fleet-config.ts";
export { type Breaker, type LaneState } from "./lane-state.ts";
export { laneName, type LaneLimits } from "./lane.ts";
export { type Ledger, openLedger, type RequestMemory } from "./ledger.ts";
export { defaultPrefix, keysFor, prefixOption } from "./keys.ts";
export type { Ask, ReferenceGiven, Repeatable } from "./ask.ts";
export { type Accepted, type Outside, type Producer, producerOn } from "./producer.ts";
export { RefusedItemsError } from "./refused-items-error.ts";
export { foldJournal } from "./journal.ts";
export { metricsText } from "./metrics.ts";
export { openPerson, type Person, type Resolution } from "./person.ts";
export { sayLane } from "./obstacle.ts";
export { reminderId, reminderOf, submitQueueName } from "./queues.ts";
export { type RedisReport, reportRedis } from "./redis-report.ts";
export { maxReferenceBytes } from "./reference.ts";
export type { DoubtPolicy } from "./stages/context.ts";
export { type AwsSettings, openStorage } from "./storage/open.ts";
export { StorageError } from "./storage/storage-error.ts";
export { type ByteRange, type Storage, type StoredObject } from "./storage/storage.ts";
export { startWorker, type StageWorkers, type WorkerOptions } from "./worker.ts";
export { type Send } from "./webhooks/courier.ts";
export { type WebhookTried } from "./webhooks/delivery.ts";
export { type WebhookEndpoint } from "./webhooks/endpoint.ts";
export { type Signing, stillSigning } from "./webhooks/signature.ts";
export { type LoggedDelivery, openWebhooks, type Webhooks } from "./webhooks/webhooks.ts";
export {
  startWebhookWorker,
  type WebhookTimings,
  type WebhookWorker,
  type WebhookWorkerOptions,
} from "./webhooks/worker.ts";
