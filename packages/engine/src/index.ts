export { audit, type AuditReport, type Finding } from "./audit.ts";
export { type Clock, DAY, type Dice, HOUR, MINUTE, SECOND } from "./clock.ts";
export { CorruptRecordError } from "./corrupt-record.ts";
export { type Engine, type EngineOptions, openEngine } from "./engine.ts";
export { type FactMap, Facts, type StageName, stageNames } from "./facts.ts";
export {
  type Fleet,
  type FleetConfig,
  fleetSchema,
  laneName,
  openFleet,
  refuseUpstreams,
  timeoutsOf,
  withSingleUpstream,
} from "./fleet.ts";
export { type Alarm, type Ledger, openLedger, type VideoEvent } from "./ledger.ts";
export { defaultPrefix, keysFor, prefixOption } from "./keys.ts";
export { type Accepted, type Caller, openProducer, type Producer } from "./producer.ts";
export { metricsText } from "./metrics.ts";
export { openPerson, type Person, type Resolution } from "./person.ts";
export { type Reminder, reminderId } from "./queues.ts";
export { maxReferenceBytes } from "./reference.ts";
export type { DoubtPolicy } from "./stages/context.ts";
export { type AwsSettings, openStorage } from "./storage/open.ts";
export { StorageError } from "./storage/storage-error.ts";
export { type ByteRange, type Storage, type StoredObject } from "./storage/storage.ts";
export { startWorker, type StageWorkers, type WorkerOptions } from "./worker.ts";
