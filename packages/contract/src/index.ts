export {
  type Alarm,
  eventBody,
  type EventBody,
  eventBodySchema,
  eventOfStatus,
  type EventType,
  eventTypes,
  finalEventTypes,
  isEventType,
  type LedgerEvent,
  type SubjectEvent,
  type VideoEvent,
} from "./event.ts";
export { type ExplanationBody, explanationBodySchema } from "./explanation.ts";
export { liveBodySchema, readyBodySchema } from "./health-body.ts";
export {
  type ErrorBody,
  errorBody,
  errorBodySchema,
  type Problem,
  type ProblemCode,
  problem,
  problemCodes,
  problemMeanings,
  ProblemError,
} from "./problem.ts";
export { videoBody } from "./body.ts";
export {
  type Catalogue,
  catalogueSchema,
  defaultModel,
  defaultSecondsOf,
  defaultSizeOf,
  type Model,
  modelSchema,
  seedCatalogue,
} from "./catalogue.ts";
export { type Charged, type Failure, type FailureClass, failureClasses } from "./failure.ts";
export { type FileId, isFileId, isVideoId, newFileId, newUuid, newVideoId, type VideoId } from "./id.ts";
export { isAllowed, isFinal, type Move, type Mover, moves, publicStatus, type Status, statuses } from "./lifecycle.ts";
export { llmsText } from "./openapi/llms.ts";
export { nearestName } from "./nearest.ts";
export { type OpenApiDocument, openApiDocument, operations, problemsOf } from "./openapi/document.ts";
export { type ReplyName, replySchemas, type RequestName, requestSchemas } from "./openapi/components.ts";
export type { Operation } from "./openapi/operation.ts";
export { type CreateOptions, judgeIdempotencyKey, judgeOptions, misfitOf } from "./request.ts";
export {
  judgeCreate,
  judgeRemix,
  maxPromptLength,
  type Reference,
  type RemixSource,
  type VideoRequest,
} from "./request.ts";
export {
  idempotencyKeySchema,
  type VideoCreateBody,
  videoCancelSchema,
  videoCreateSchema,
  videoRemixSchema,
  videoResolveSchema,
  videoRetrySchema,
} from "./request-body.ts";
export { readStoryboard, type Shot, type Storyboard, type StoryboardProblem } from "./storyboard.ts";
export {
  type UploadBody,
  uploadBodySchema,
  uploadDeletedBodySchema,
  uploadFormSchema,
  type UploadListBody,
  uploadListBodySchema,
} from "./upload-body.ts";
export {
  type Attempt,
  type AttemptOutcome,
  coreOf,
  type Doubt,
  type Fetching,
  type Lane,
  lastAttempt,
  type Looks,
  noSetbacks,
  recordSchemaVersion,
  type Setbacks,
  type StoredFile,
  type Task,
  type Video,
  type VideoCore,
  type VideoIn,
  videoSchema,
  type WaitReason,
} from "./video.ts";
export {
  type ReelqBody,
  type VideoBody,
  videoBodySchema,
  videoDeletedBodySchema,
  type VideoListBody,
  videoListBodySchema,
} from "./video-body.ts";
export {
  defaultWebhookEvents,
  deliveryStatuses,
  type DeliveryStatus,
  type DisabledReason,
  everyEvent,
  judgeWebhookBody,
  type WebhookDeliveryBody,
  webhookDeliveryBodySchema,
  type WebhookDeliveryListBody,
  webhookDeliveryListBodySchema,
  type WebhookEndpointBody,
  webhookEndpointBodySchema,
  type WebhookEndpointCreate,
  webhookEndpointCreateSchema,
  webhookEndpointDeletedBodySchema,
  type WebhookEndpointListBody,
  webhookEndpointListBodySchema,
  type WebhookEndpointUpdate,
  webhookEndpointUpdateSchema,
  webhookRotationSchema,
  type WebhookSecretBody,
  webhookSecretBodySchema,
  type WebhookTestBody,
} from "./webhook.ts";
