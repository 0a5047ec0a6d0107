import { batchStates, batchStatusOf, isBatchOver } from "../batch.ts";
import type { BatchBody, BatchForecast, BatchPlanBody, ClipBody } from "../batch-body.ts";
import { videoBody } from "../body.ts";
import { type EventBody, eventBody, eventOfStatus, type EventType } from "../event.ts";
import type { ExplanationBody } from "../explanation.ts";
import type { VideoId } from "../id.ts";
import { type Status, statuses } from "../lifecycle.ts";
import type { ReplyName, RequestName } from "./components.ts";
import { problemExample } from "./problem-examples.ts";
import type { UploadBody } from "../upload-body.ts";
import { noSetbacks, recordSchemaVersion, type Video, type VideoCore } from "../video.ts";
import type { VideoBody } from "../video-body.ts";
import {
  defaultWebhookEvents,
  type WebhookDeliveryBody,
  type WebhookEndpointBody,
  type WebhookTestBody,
} from "../webhook.ts";

/** Everything in the examples happens in the quarter of an hour after this. */
const acceptedAt = Date.UTC(2026, 10, 22, 12);
const uuid = "01a20320-a200-7000-8000-00000000000";
const sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const exampleIds = {
  video: `video_${uuid}1`,
  file: `file_${uuid}2`,
  endpoint: `we_${uuid}3`,
  delivery: "wd_2a1f0c9e8b7d6a5f4c3b2a19",
  batch: `batch_${uuid}5`,
  manifest: `file_${uuid}6`,
} as const;

const at = (seconds: number): number => acceptedAt + seconds * 1000;
const unixTime = (seconds: number): number => Math.floor(at(seconds) / 1000);

const core: VideoCore = {
  schema: recordSchemaVersion,
  id: exampleIds.video satisfies VideoId,
  version: 1,
  reminder: 1,
  project: "studio",
  request: { prompt: "A fox in the snow, first light", model: "sora-2", seconds: 10, size: "1280x720" },
  lane: { upstream: "main", model: "sora-2" },
  createdAt: acceptedAt,
  updatedAt: acceptedAt,
  dueAt: acceptedAt,
  attempts: [],
  setbacks: noSetbacks,
};
const sent: VideoCore = {
  ...core,
  version: 3,
  updatedAt: at(4),
  attempts: [
    {
      number: 1,
      upstream: "main",
      intentAt: at(2),
      postBy: at(32),
      endedAt: at(4),
      outcome: "accepted",
      task: "task_7f3a",
      charged: "unknown",
    },
  ],
};
const task = { upstream: "main", id: "task_7f3a", acceptedAt: at(4) };
const done = { ...task, progress: 100, completedAt: at(110), expiresAt: at(3_710) };
const looks = { count: 6, missed: 0, notFound: 0 };

/** One video in each of its statuses. */
const records: { readonly [S in Status]: Video } = {
  queued: { ...core, status: "queued" },
  submitting: { ...core, version: 2, updatedAt: at(2), status: "submitting", worker: "worker-1" },
  in_doubt: {
    ...sent,
    attempts: sent.attempts.map(({ task: _task, outcome: _outcome, ...attempt }) => ({
      ...attempt,
      outcome: "in_doubt",
    })),
    status: "in_doubt",
    doubt: { since: at(34), reason: "no reply came", looks: 1, held: false },
  },
  rendering: { ...sent, status: "rendering", task: { ...task, progress: 40 }, looks },
  downloading: {
    ...sent,
    version: 9,
    updatedAt: at(110),
    status: "downloading",
    task: done,
    looks,
    fetching: { tries: 0 },
  },
  stored: {
    ...sent,
    version: 10,
    updatedAt: at(113),
    status: "stored",
    task: done,
    looks,
    storedAt: at(113),
    file: {
      key: `2026/11/22/${exampleIds.video}.mp4`,
      sidecarKey: `2026/11/22/${exampleIds.video}.json`,
      bytes: 5_242_880,
      sha256,
      contentType: "video/mp4",
      media: { container: "mp4", durationMs: 10_000, width: 1280, height: 720, codec: "avc1" },
      differences: [],
      variants: {
        thumbnail: {
          key: `2026/11/22/${exampleIds.video}.thumbnail.webp`,
          bytes: 18_204,
          sha256,
          contentType: "image/webp",
        },
      },
    },
  },
  failed: {
    ...sent,
    version: 9,
    updatedAt: at(60),
    status: "failed",
    task,
    failure: { class: "render_failed", code: "render_failed", message: "The upstream could not render it." },
    failedAt: at(60),
  },
  cancelled: { ...core, version: 2, updatedAt: at(1), status: "cancelled", cancelledAt: at(1), abandoned: false },
};

/** One video as the API shows it in a status. */
export const videoExample = (status: Status): VideoBody => videoBody(records[status]);

const stored = videoExample("stored");

const page = <Item extends { readonly id: string }>(item: Item) => ({
  object: "list" as const,
  data: [item],
  first_id: item.id,
  last_id: item.id,
  has_more: false,
});

const statusOf = new Map<EventType, Status>(statuses.map((status) => [eventOfStatus[status], status]));
const statusOfAlarm = new Map<EventType, Status>([
  ["video.at_risk", "downloading"],
  ["video.overdue", "rendering"],
]);

/** What is told of an event of a type. */
export function eventExample(type: EventType): EventBody {
  const entry = { id: `${at(113)}-0`, project: core.project, at: at(113), type };
  if (type.startsWith("batch.")) return eventBody({ ...entry, subject: exampleIds.batch }, batchAfter(type));
  if (!type.startsWith("video.")) return eventBody({ ...entry, subject: exampleIds.endpoint }, undefined);
  const status = statusOf.get(type) ?? statusOfAlarm.get(type);
  const video = status && videoExample(status);
  return eventBody({ ...entry, video: core.id, version: video?.reelq.version ?? 11 }, video);
}

export const webhookTestExample = (): WebhookTestBody => ({
  id: `evt_test_${uuid}4`,
  object: "event",
  type: "webhook.test",
  created_at: unixTime(0),
  project: core.project,
  data: { id: exampleIds.endpoint, object: "webhook_endpoint" },
});

const endpoint: WebhookEndpointBody = {
  id: exampleIds.endpoint,
  object: "webhook_endpoint",
  url: "https://studio.example/reelq",
  events: [...defaultWebhookEvents],
  description: "the cutting room",
  enabled: true,
  disabled_reason: null,
  disabled_at: null,
  created_at: unixTime(0),
  project: core.project,
  created_by: "studio",
};

const delivery: WebhookDeliveryBody = {
  id: exampleIds.delivery,
  object: "webhook_delivery",
  endpoint: endpoint.id,
  event: eventExample("video.completed").id,
  type: "video.completed",
  status: "delivered",
  created_at: unixTime(113),
  ended_at: unixTime(114),
  next_at: null,
  tries: [{ at: unixTime(113), status: 204, ms: 85, error: null }],
  payload: eventExample("video.completed"),
};

const file: UploadBody = {
  id: exampleIds.file,
  object: "file",
  bytes: 184_320,
  created_at: unixTime(0),
  expires_at: null,
  filename: "first-frame.png",
  purpose: "vision",
  status: "processed",
};

const explanation: ExplanationBody = {
  id: core.id,
  object: "video.explanation",
  status: "rendering",
  sentence: "It renders at main since 12:00:04; the next look is in 9 s.",
  next_at: new Date(at(60)).toISOString(),
  expected: { median: new Date(at(109)).toISOString(), ninety_percent: new Date(at(187)).toISOString() },
  obstacle: null,
  lane: { name: "main/sora-2", ahead: null, waiting: 0, in_flight: 1, breaker: "closed", breaker_why: null },
};

const isoTime = (seconds: number): string => new Date(at(seconds)).toISOString();

const forecast: BatchForecast = {
  ends_at: isoTime(9_000),
  fits: true,
  unfit: 0,
  of: 180,
  sentence: "All 180 should be stored by 15:30, 15 h before the window closes.",
  at: isoTime(110),
};

const batch: BatchBody = {
  id: exampleIds.batch,
  object: "batch",
  endpoint: "/v1/videos",
  errors: null,
  input_file_id: exampleIds.manifest,
  completion_window: "24h",
  status: "in_progress",
  output_file_id: null,
  error_file_id: null,
  created_at: unixTime(0),
  in_progress_at: unixTime(2),
  expires_at: null,
  finalizing_at: null,
  completed_at: null,
  failed_at: null,
  expired_at: null,
  cancelling_at: null,
  cancelled_at: null,
  request_counts: { total: 300, completed: 118, failed: 2 },
  metadata: { film: "winter" },
  reelq: {
    state: "running",
    name: "shots",
    project: core.project,
    reason: null,
    counts: {
      total: 300,
      queued: 176,
      submitting: 0,
      in_doubt: 0,
      rendering: 3,
      downloading: 1,
      stored: 118,
      failed: 2,
      cancelled: 0,
      reused: 40,
      skipped: 0,
      waived: 0,
    },
    money: { estimated: 260_000_000, reserved: 4_000_000, charged: 78_000_000, unknown: 1_000_000 },
    budget: 300_000_000,
    at_budget: "finish",
    window: {
      text: "12:00-06:30 Europe/Berlin",
      is_open: true,
      opens_at: null,
      closes_at: isoTime(63_000),
      at_end: "carry",
    },
    priority: 0,
    weight: 1,
    canary: { count: 2, state: "passed" },
    stop_after_failures: 5,
    stop_after: null,
    on_source_failure: "skip",
    forecast,
    lanes: [
      {
        lane: "main/sora-2",
        waiting: 176,
        in_flight: 3,
        places: 3,
        obstacle: "its 3 places are taken",
      },
    ],
    looks: 720,
    retries: 4,
    report: false,
    updated_at: isoTime(110),
  },
};

/** The batch as an event of this type leaves it. */
function batchAfter(type: EventType): BatchBody {
  const named = batchStates.find((state) => type === `batch.${state}`);
  if (named === undefined) return batch;
  const isOver = isBatchOver(named);
  return {
    ...batch,
    status: batchStatusOf[named],
    ...(isOver ? { [`${named}_at`]: unixTime(113) } : {}),
    reelq: { ...batch.reelq, state: named },
  };
}

const plan: BatchPlanBody = {
  object: "batch.plan",
  ok: true,
  lines: 300,
  clips: 300,
  errors: [],
  error_count: 0,
  notes: [],
  reused: 40,
  shared: 0,
  to_render: 260,
  reused_lines: [3, 4, 5],
  price: 260_000_000,
  unpriced_models: [],
  budget: 300_000_000,
  fits_budget: true,
  lanes: [
    {
      lane: "main/sora-2",
      model: "sora-2",
      seconds: 10,
      clips: 260,
      price: 260_000_000,
      median_seconds: 105,
      places: 3,
      requests_per_minute: 25,
      expected_seconds: 9_100,
    },
  ],
  forecast: { ...forecast, of: 260, sentence: "All 260 should be stored by 15:30, 15 h before the window closes." },
};

const clip: ClipBody = {
  object: "batch.clip",
  number: 1,
  line: 1,
  custom_id: "opening",
  take: 1,
  video_id: core.id,
  status: "stored",
  origin: "new",
  waived: false,
  skipped: false,
  before: [],
  prompt: core.request.prompt,
  model: core.request.model,
  seconds: core.request.seconds,
  size: core.request.size,
  reference_sha256: null,
  remix_of: null,
  priority: 0,
  tags: ["winter"],
  lane: "main/sora-2",
  waiting: null,
  failure: null,
  money: { estimated: 1_000_000, reserved: 0, charged: 1_000_000, unknown: 0 },
  attempts: 1,
  looks: looks.count,
  setbacks: 0,
  accepted_at: isoTime(0),
  sent_at: isoTime(2),
  rendered_at: isoTime(110),
  ended_at: isoTime(113),
  file: {
    key: `2026/11/22/${core.id}.mp4`,
    bytes: 5_242_880,
    sha256,
    content_type: "video/mp4",
    duration_ms: 10_000,
    width: 1280,
    height: 720,
    differences: [],
    thumbnail: `2026/11/22/${core.id}.thumbnail.webp`,
  },
};

const replies: Partial<Record<ReplyName, object>> = {
  Video: stored,
  VideoList: page(stored),
  VideoDeleted: {
    id: core.id,
    object: "video.deleted",
    deleted: true,
    reelq: { files: [stored.reelq.file?.key, stored.reelq.file?.sidecar] },
  },
  Explanation: explanation,
  Batch: batch,
  BatchList: page(batch),
  BatchPlan: plan,
  BatchForecast: forecast,
  BatchRetried: { object: "batch.retry", batch, retried: 2 },
  BatchWaived: { object: "batch.waive", batch, waived: 1 },
  Clip: clip,
  ClipList: { object: "list", data: [clip], last_number: clip.number, has_more: true },
  File: file,
  FileList: page(file),
  FileDeleted: { id: file.id, object: "file", deleted: true },
  Event: eventExample("video.completed"),
  WebhookTestEvent: webhookTestExample(),
  WebhookEndpoint: endpoint,
  WebhookEndpointList: page(endpoint),
  WebhookEndpointDeleted: { id: endpoint.id, object: "webhook_endpoint.deleted", deleted: true },
  WebhookSecret: {
    object: "webhook_secret",
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8NqXkQn1QeA=",
    previous_secret_until: null,
  },
  WebhookDelivery: delivery,
  WebhookDeliveryList: page(delivery),
  Error: problemExample("unknown_model"),
  Live: { ok: true },
  Ready: {
    ok: true,
    checks: { redis: { ok: true, ms: 1 }, storage: { ok: true, ms: 3 } },
    upstreams: { main: { breaker: "closed" } },
  },
};

const requests: Partial<Record<RequestName, object>> = {
  VideoCreate: {
    prompt: core.request.prompt,
    model: core.request.model,
    seconds: String(core.request.seconds),
    size: core.request.size,
  },
  VideoCreateForm: { prompt: core.request.prompt, model: core.request.model },
  VideoRemix: { prompt: "The same fox, at night" },
  VideoRemixForm: { prompt: "The same fox, at night" },
  Reference: { file_id: file.id },
  CreateOptions: { webhook_url: "https://studio.example/reelq" },
  VideoCancel: { abandon: false },
  VideoRetry: { insist: false },
  VideoResolve: { task: "task_7f3a" },
  BatchCreate: {
    input_file_id: exampleIds.manifest,
    endpoint: "/v1/videos",
    completion_window: "24h",
    metadata: { film: "winter" },
    reelq: { budget_usd: "300", window: "12:00-06:30 Europe/Berlin", canary: 2 },
  },
  BatchOptions: { budget_usd: "300", window: "12:00-06:30 Europe/Berlin", canary: 2 },
  BatchChange: { budget_usd: "350", priority: 10 },
  BatchRetry: { custom_ids: ["opening"], prompts: { opening: "A fox in the snow, at dusk" } },
  BatchWaive: { custom_ids: ["opening"] },
  WebhookEndpointCreate: { url: endpoint.url, events: ["video.completed", "video.failed"] },
  WebhookEndpointUpdate: { enabled: true },
  WebhookRotation: { overlap_seconds: 86_400 },
};

/** A body as it is, by the name of its schema. */
export const bodyExamples: Readonly<Record<string, object>> = { ...requests, ...replies };
