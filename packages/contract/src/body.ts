import { failureClasses } from "./failure.ts";
import { publicStatus } from "./lifecycle.ts";
import { misfitOf } from "./request.ts";
import type { Attempt, Doubt, PlaceInBatch, StoredFile, Video } from "./video.ts";
import type { PictureBody, ReelqBody, VideoBody } from "./video-body.ts";

const isoTime = (ms: number): string => new Date(ms).toISOString();
const unixSeconds = (ms: number): number => Math.floor(ms / 1000);

/** A video as the HTTP API shows it. */
export function videoBody(video: Video): VideoBody {
  const { request } = video;
  return {
    id: video.id,
    object: "video",
    created_at: unixSeconds(video.createdAt),
    completed_at: video.status === "stored" ? unixSeconds(video.storedAt) : null,
    expires_at: null,
    status: publicStatus[video.status],
    error: errorOf(video),
    model: request.model,
    progress: progressOf(video),
    prompt: request.prompt,
    remixed_from_video_id: request.remixOf?.video ?? null,
    seconds: String(request.seconds),
    size: request.size,
    reelq: reelqBody(video),
  };
}

function reelqBody(video: Video): ReelqBody {
  const task = "task" in video ? video.task : undefined;
  return {
    status: video.status,
    version: video.version,
    project: video.project,
    upstream: video.lane.upstream,
    lane: `${video.lane.upstream}/${video.lane.model}`,
    task: task?.id ?? null,
    updated_at: isoTime(video.updatedAt),
    waiting:
      video.status === "queued" && video.waiting
        ? { reason: video.waiting.reason, since: isoTime(video.waiting.since), detail: video.waiting.detail ?? null }
        : null,
    in_doubt: video.status === "in_doubt" ? doubtBody(video.doubt) : null,
    upstream_expires_at: task?.expiresAt === undefined ? null : isoTime(task.expiresAt),
    attempts: video.attempts.map(attemptBody),
    setbacks: video.setbacks,
    looks: "looks" in video ? video.looks.count : 0,
    warnings: warningsOf(video),
    batch: video.batch ? placeBody(video.batch) : null,
    failure: video.status === "failed" ? { class: video.failure.class, ...failureClasses[video.failure.class] } : null,
    file: video.status === "stored" ? fileBody(video.file) : null,
  };
}

function warningsOf({ request }: Video): string[] {
  const misfit = request.reference && misfitOf(request.reference, request.size);
  return misfit === undefined ? [] : [`${misfit}: the upstream may crop, stretch or refuse it.`];
}

function progressOf(video: Video): number {
  if (video.status === "stored") return 100;
  // 100 is said only of a file that is safe, so a client that waits for it never fetches too early.
  if (video.status === "rendering" || video.status === "downloading")
    return Math.min(99, Math.floor(video.task.progress ?? 0));
  return 0;
}

function errorOf(video: Video): VideoBody["error"] {
  if (video.status === "failed") return { code: video.failure.code, message: video.failure.message };
  if (video.status === "cancelled") return { code: "cancelled", message: "The video was cancelled." };
  return null;
}

const doubtBody = (doubt: Doubt): NonNullable<ReelqBody["in_doubt"]> => ({
  since: isoTime(doubt.since),
  reason: doubt.reason,
  looks: doubt.looks,
  evidence: doubt.evidence ?? null,
  held: doubt.held,
});

const attemptBody = (attempt: Attempt): ReelqBody["attempts"][number] => ({
  number: attempt.number,
  upstream: attempt.upstream,
  at: isoTime(attempt.intentAt),
  outcome: attempt.outcome ?? null,
  task: attempt.task ?? null,
  estimated: attempt.estimate ?? null,
  charged: attempt.charged,
});

const placeBody = ({ id, number, line, customId, take, tags }: PlaceInBatch): NonNullable<ReelqBody["batch"]> => ({
  id,
  number,
  line,
  custom_id: customId,
  take,
  tags,
});

const fileBody = (file: StoredFile): NonNullable<ReelqBody["file"]> => ({
  key: file.key,
  sidecar: file.sidecarKey,
  bytes: file.bytes,
  sha256: file.sha256,
  content_type: file.contentType,
  media: file.media ?? null,
  differences: file.differences,
  variants: variantsBody(file.variants),
});

function variantsBody({ thumbnail, spritesheet }: StoredFile["variants"] = {}) {
  return {
    ...(thumbnail ? { thumbnail: pictureBody(thumbnail) } : {}),
    ...(spritesheet ? { spritesheet: pictureBody(spritesheet) } : {}),
  };
}

type Picture = NonNullable<NonNullable<StoredFile["variants"]>["thumbnail"]>;

const pictureBody = ({ key, bytes, sha256, contentType }: Picture): PictureBody => ({
  key,
  bytes,
  sha256,
  content_type: contentType,
});
