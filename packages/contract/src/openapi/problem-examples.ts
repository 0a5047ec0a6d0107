import type { Operation } from "./operation.ts";
import { type ErrorBody, errorBody, problem, type ProblemCode } from "../problem.ts";

type Said = readonly [message: string, param?: string];
type Sayings = Partial<Readonly<Record<ProblemCode, Said>>>;

/** How the API says each code, where a call has no words of its own for it. */
const usual: Readonly<Record<ProblemCode, Said>> = {
  invalid_value: ['limit "0" must be a whole number from 1 to 100.', "limit"],
  missing_value: ["prompt is required: say what the video shows.", "prompt"],
  unknown_field: ['Unknown field "modl"; did you mean "model"?', "modl"],
  unknown_model: ['model "sora-3" is not known; allowed: sora-2, sora-2-pro, veo-3.1. Did you mean "sora-2"?', "model"],
  invalid_storyboard: [
    "prompt: Shot 1: the shots add up to 99 s, longer than the clip's 15 s; shorten this shot or ask for more seconds.",
    "prompt",
  ],
  invalid_image: [
    "input_reference is not an image that can be read; send a PNG, JPEG or WebP image.",
    "input_reference",
  ],
  malformed_body: ["The body must be a JSON object."],
  unauthorized: ["An API key is needed: send it as `Authorization: Bearer KEY`."],
  forbidden: ["A page of another site sent this; only pages of this one may change anything.", "Origin"],
  not_found: ['There is no video "video_01a2".', "id"],
  method_not_allowed: ["PATCH is not possible here; allowed: GET, HEAD."],
  conflict: ["video_01a2 is queued; only a failed video can be retried.", "id"],
  rate_limited: ["The API key studio may call 60 times a minute; it may again in 12 s."],
  idempotency_conflict: [
    "The Idempotency-Key was used for video_01a2 with another request; these differ: prompt. Use a new key.",
    "Idempotency-Key",
  ],
  not_ready: ["video_01a2 is rendering; its file can be had once it is completed.", "id"],
  timeout: ["Less than 16 KiB of the body came in 20 seconds."],
  body_too_large: ["The body has more than 16384 bytes."],
  unsupported_media_type: ['Content-Type "text/plain" is not understood; it must be application/json.', "Content-Type"],
  range_not_satisfiable: ["The range bytes=9999- is outside the file's 34 bytes.", "Range"],
  variant_unavailable: ["video_01a2 has no thumbnail: the upstream offered none when its video was stored.", "variant"],
  internal: ["Something went wrong here; the fault has been logged."],
  unavailable: [
    "The ledger cannot be reached at this moment. Try again in a few seconds; with an Idempotency-Key, a call that took effect after all is not done twice.",
  ],
};

const ofTag: Partial<Readonly<Record<Operation["tag"], Sayings>>> = {
  batches: {
    not_found: ['There is no batch "batch_01a2".', "id"],
    missing_value: ["input_file_id is required.", "input_file_id"],
    unknown_field: ['Unknown field "budgt_usd" in reelq; did you mean "budget_usd"?', "reelq.budgt_usd"],
    invalid_value: ["reelq.priority 900 must be a whole number from -100 to 100.", "reelq.priority"],
    conflict: ["batch_01a2 is completed; only a batch that runs can be paused.", "id"],
    body_too_large: ["The body has more than 16777216 bytes."],
    idempotency_conflict: [
      "The Idempotency-Key was used for batch_01a2 with another request. Use a new key.",
      "Idempotency-Key",
    ],
  },
  files: { not_found: ['There is no file "file_01a2".', "file_id"] },
  events: {
    invalid_value: ['Last-Event-ID "yesterday" is not an event\'s id, like 1732000000000-0.', "Last-Event-ID"],
  },
  webhooks: {
    not_found: ['There is no webhook endpoint "we_01a2".', "id"],
    conflict: ['we_01a2 is disabled; enable it first, with {"enabled": true}.', "id"],
    missing_value: ["url is required.", "url"],
    unknown_field: ['Unknown field "uri"; did you mean "url"?', "uri"],
    body_too_large: ["The body has more than 65536 bytes."],
  },
};

const filled: Sayings = {
  unsupported_media_type: [
    'Content-Type "text/plain" is not understood; it must be multipart/form-data or application/json.',
    "Content-Type",
  ],
  body_too_large: ["input_reference has more than 20971520 bytes.", "input_reference"],
};

const ofInput: Said = ['There is no file "file_01a2".', "input_file_id"];

const nothing: Sayings = { unknown_field: ['Unknown field "now"; this call takes none.', "now"] };

const rotation: Sayings = {
  invalid_value: ["overlap_seconds -1 must be a whole number from 0 to 604800.", "overlap_seconds"],
  unknown_field: ['Unknown field "overlap"; known fields: overlap_seconds.', "overlap"],
};

/** By the id of the call. */
const ofCall: Readonly<Record<string, Sayings>> = {
  createVideo: {
    ...filled,
    invalid_value: ["seconds 11 is not allowed for sora-2; allowed: 10, 15.", "seconds"],
    not_found: ['There is no file "file_01a2".', "file_id"],
  },
  deleteVideo: {
    conflict: [
      'video_01a2 is rendering, and paid for or about to be; it can be deleted once it is completed, failed or cancelled. To throw it away now, POST {"abandon": true} to its /cancel first.',
      "id",
    ],
  },
  retrieveVideoContent: {
    invalid_value: ['variant "film" is not known; allowed: video, thumbnail, spritesheet.', "variant"],
  },
  remixVideo: {
    ...filled,
    not_found: [
      'There is no video "video_01a2" to remix: name a stored video by its id, or by the upstream\'s id of its task.',
      "id",
    ],
    unknown_field: ['Unknown field "model"; known fields: prompt, reelq.', "model"],
    not_ready: ["video_01a2 is queued; only a stored video can be remixed.", "id"],
    invalid_value: ["Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.", "Idempotency-Key"],
    conflict: [
      "video_01a2 was rendered at main, which cannot remix (capabilities in REELQ_CONFIG); create a new video instead.",
      "id",
    ],
  },
  cancelVideo: {
    conflict: [
      'video_01a2 is rendering and paid for; it can only be abandoned. Say {"abandon": true} to throw the result away.',
      "abandon",
    ],
    unknown_field: ['Unknown field "please"; known fields: abandon.', "please"],
    invalid_value: ["abandon must be true or false.", "abandon"],
  },
  retryVideo: {
    unknown_field: ['Unknown field "please"; known fields: insist.', "please"],
    invalid_value: ["insist must be true or false.", "insist"],
  },
  resolveVideo: {
    conflict: ["video_01a2 is queued; only a video in doubt can be resolved.", "id"],
    unknown_field: ['Unknown field "please"; known fields: task, resubmit, fail.', "please"],
    invalid_value: ["task must be a text.", "task"],
  },
  listVideos: { not_found: ['There is no batch "batch_01a2".', "batch"] },
  createBatch: { not_found: ofInput },
  planBatch: { not_found: ofInput },
  listBatches: { invalid_value: ['limit "0" must be a whole number from 1 to 100.', "limit"] },
  updateBatch: {
    unknown_field: ['Unknown field "windw"; did you mean "window"?', "windw"],
    invalid_value: ["priority 900 must be a whole number from -100 to 100.", "priority"],
  },
  pauseBatch: nothing,
  resumeBatch: nothing,
  cancelBatch: nothing,
  retryBatch: {
    conflict: ["batch_01a2 has no failed clip.", "insist"],
    unknown_field: ['Unknown field "insst"; did you mean "insist"?', "insst"],
    invalid_value: ['insist "yes" must be true or false.', "insist"],
  },
  waiveBatchLines: {
    missing_value: ["custom_ids is required.", "custom_ids"],
    unknown_field: ['Unknown field "custom_id"; did you mean "custom_ids"?', "custom_id"],
    invalid_value: ["custom_ids [] must be a list of at least 1 entry.", "custom_ids"],
  },
  listBatchClips: { invalid_value: ['limit "0" must be a whole number from 1 to 500.', "limit"] },
  reportBatch: { invalid_value: ['format "pdf" is not known; allowed: html, csv, json.', "format"] },
  createFile: {
    malformed_body: ["The body ended before its end."],
    missing_value: ["file is required: send it as a part of the form.", "file"],
    unknown_field: ['Unknown field "name"; known fields: file, purpose.', "name"],
    invalid_value: [
      'purpose "fun" is not known; allowed: vision, user_data, batch, batch_output, assistants, fine-tune, evals.',
      "purpose",
    ],
    unsupported_media_type: [
      'Content-Type "application/json" is not understood; it must be multipart/form-data.',
      "Content-Type",
    ],
    body_too_large: ["file has more than 209715200 bytes.", "file"],
  },
  createWebhookEndpoint: {
    conflict: ['The project "studio" has 100 webhook endpoints, and no project may have more; delete one first.'],
    invalid_value: [
      "url: 127.0.0.1 is not a public address; use one that is, or let the operator allow it with REELQ_ALLOW_ADDRESSES.",
      "url",
    ],
  },
  updateWebhookEndpoint: {
    invalid_value: [
      "url: 127.0.0.1 is not a public address; use one that is, or let the operator allow it with REELQ_ALLOW_ADDRESSES.",
      "url",
    ],
  },
  rotateSigningSecret: rotation,
  rotateWebhookEndpointSecret: rotation,
  redeliverWebhook: {
    not_found: ['we_01a2 has no delivery "wd_01a2"; each is kept for 7 days after it ended.', "delivery"],
  },
};

/** Of what only an admin may call. */
const ofAdmin: Sayings = {
  unauthorized: ["An admin's API key is needed: send it as `Authorization: Bearer KEY`, or log in at /login."],
  forbidden: [
    "The API key studio is not an admin's: make one with `reelq keys create NAME --admin`, or name one admin in REELQ_API_KEYS.",
  ],
};

/** What a call is refused with for a code; without a call, what most are. */
export function problemExample(code: ProblemCode, operation?: Operation): ErrorBody {
  const [message, param] =
    (operation &&
      (ofCall[operation.id]?.[code] ??
        ofTag[operation.tag]?.[code] ??
        (operation.door === "admin" ? ofAdmin[code] : undefined) ??
        ofPath(code, operation))) ??
    usual[code];
  return errorBody(problem(code, message, param));
}

/** Where nothing is sent, only the path can be malformed. */
const ofPath = (code: ProblemCode, { body }: Operation): Said | undefined =>
  code === "malformed_body" && !body ? ["The path cannot be decoded."] : undefined;
