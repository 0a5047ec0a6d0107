import { failureClasses } from "./failure.ts";
import { type Status, publicStatus } from "./lifecycle.ts";
import type { Attempt, Doubt, Setbacks, StoredFile, Video } from "./video.ts";

/**
 * A video as the HTTP API shows it: the OpenAI shape (times in Unix seconds, `seconds` a string), and
 * beside it the `reelq` object with what that shape has no place for (times in ISO 8601).
 */
export interface VideoBody {
  id: string;
  object: "video";
  created_at: number;
  completed_at: number | null;
  /** Always null: a stored file stays until it is deleted. */
  expires_at: null;
  status: "queued" | "in_progress" | "completed" | "failed";
  error: { code: string; message: string } | null;
  model: string;
  progress: number;
  prompt: string;
  remixed_from_video_id: string | null;
  seconds: string;
  size: string;
  reelq: ReelqBody;
}

export interface ReelqBody {
  status: Status;
  version: number;
  project: string;
  upstream: string;
  /** `upstream/model`. */
  lane: string;
  task: string | null;
  updated_at: string;
  /** Why a queued video waits. */
  waiting: { reason: string; since: string; detail: string | null } | null;
  /** What is known of a POST whose fate is not. */
  in_doubt: { since: string; reason: string; looks: number; evidence: string | null; held: boolean } | null;
  /** When the upstream deletes its own file. */
  upstream_expires_at: string | null;
  attempts: {
    number: number;
    upstream: string;
    at: string;
    outcome: string | null;
    task: string | null;
    charged: string;
  }[];
  setbacks: Setbacks;
  looks: number;
  failure: { class: string; charged: string; actor: string; retry: string; meaning: string } | null;
  file: {
    key: string;
    sidecar: string;
    bytes: number;
    sha256: string;
    content_type: string;
    media: StoredFile["media"] | null;
    differences: string[];
  } | null;
}

/** A page of videos, newest first unless asked otherwise. */
export interface VideoListBody {
  object: "list";
  data: VideoBody[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
const unixSeconds = (ms: number): number => Math.floor(ms / 1000);

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
    failure: video.status === "failed" ? { class: video.failure.class, ...failureClasses[video.failure.class] } : null,
    file: video.status === "stored" ? fileBody(video.file) : null,
  };
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
  charged: attempt.charged,
});

const fileBody = (file: StoredFile): NonNullable<ReelqBody["file"]> => ({
  key: file.key,
  sidecar: file.sidecarKey,
  bytes: file.bytes,
  sha256: file.sha256,
  content_type: file.contentType,
  media: file.media ?? null,
  differences: file.differences,
});
