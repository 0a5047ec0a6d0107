// What the API answers with is described once, in the contract.
export type {
  BatchBody,
  BatchChange,
  BatchCreateBody,
  BatchListBody,
  BatchOptions,
  BatchPlanBody,
  BatchRetriedBody,
  BatchRetryBody,
  BatchWaivedBody,
  ClipBody,
  ClipListBody,
  EventType,
  ExplanationBody,
  UploadBody,
  UploadListBody,
  VideoBody,
  VideoListBody,
  WebhookDeliveryBody,
  WebhookDeliveryListBody,
  WebhookEndpointBody,
  WebhookEndpointListBody,
  WebhookSecretBody,
} from "@reelq/contract";
export { BadHandleError } from "./bad-handle-error.ts";
export type { Batches, BatchListQuery, ClipListQuery, ReportQuery, WatchOptions } from "./batches.ts";
export type { ContentOptions } from "./content.ts";
export type { CreateInput, ReferenceInput } from "./create-input.ts";
export type {
  BatchEvent,
  DeletedVideo,
  EventGap,
  ProjectStreamEvent,
  ReelqEvent,
  SubjectEvent,
  VideoDeletedEvent,
  VideoEvent,
  VideoStreamEvent,
} from "./event.ts";
export type { FileInput, FileListQuery, Files } from "./files.ts";
export { openReelq, type ProjectEventsOptions, type Reelq, type ReelqOptions } from "./reelq.ts";
export { ReelqError, type ReelqErrorCode } from "./reelq-error.ts";
export type { ResultOptions } from "./result.ts";
export type { CallOptions } from "./transport.ts";
export { UnreachableError } from "./unreachable-error.ts";
export { verifyWebhook, type VerifyWebhookOptions, type WebhookHeaders } from "./verify-webhook.ts";
export type { Resolution, VideoCalls } from "./video-calls.ts";
export { VideoCancelledError } from "./video-cancelled-error.ts";
export { VideoFailedError } from "./video-failed-error.ts";
export type { CreatedVideo, EventsOptions, VideoHandle } from "./video-handle.ts";
export type { CreateOptions, ListQuery, Videos } from "./videos.ts";
export { WaitTimeoutError } from "./wait-timeout-error.ts";
export type {
  DeliveriesQuery,
  RotateOptions,
  WebhookEndpointInput,
  WebhookEndpoints,
  WebhookEndpointWithSecret,
  WebhookListQuery,
} from "./webhook-endpoints.ts";
export { type WebhookVerificationCode, WebhookVerificationError } from "./webhook-verification-error.ts";
