import {
  type ClipBody,
  failureClasses,
  isFinal,
  type MicroUsd,
  type Money,
  noMoney,
  type Video,
} from "@reelq/contract";
import type { Fleet } from "../fleet.ts";
import { laneName } from "../lane.ts";
import { moneyOf } from "../money.ts";
import type { Pair } from "./pairs.ts";

const iso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

/** A clip as callers see it; undefined where its video was deleted. */
export function clipView({ number, clip, video, earlier }: Pair, fleet: Pick<Fleet, "dearest">): ClipBody | undefined {
  if (!video) return undefined;
  const { request, attempts, setbacks } = video;
  const task = "task" in video ? video.task : undefined;
  return {
    object: "batch.clip",
    number,
    line: clip.line,
    custom_id: clip.customId,
    take: clip.take,
    video_id: clip.video,
    status: video.status,
    origin: clip.origin,
    waived: clip.waived ?? false,
    skipped: video.status === "cancelled" && video.skipped === true,
    before: clip.before ?? [],
    prompt: request.prompt,
    model: request.model,
    seconds: request.seconds,
    size: request.size,
    reference_sha256: request.reference?.sha256 ?? null,
    remix_of: request.remixOf?.video ?? null,
    priority: video.batch?.priority ?? 0,
    tags: [...(video.batch?.tags ?? [])],
    lane: laneName(video.lane),
    waiting:
      video.status === "queued" && video.waiting
        ? { reason: video.waiting.reason, detail: video.waiting.detail ?? null }
        : null,
    failure: video.status === "failed" ? failureBody(video) : null,
    // What another batch had rendered, that one pays for.
    money: {
      estimated: estimateOf(video, fleet),
      ...(clip.origin === "new" ? sumOf([video, ...earlier]) : noMoney),
    },
    attempts: attempts.length,
    looks: "looks" in video ? video.looks.count : 0,
    setbacks: Object.values(setbacks).reduce((sum, times) => sum + times, 0),
    accepted_at: new Date(video.createdAt).toISOString(),
    sent_at: iso(attempts.at(-1)?.intentAt),
    rendered_at: iso(task?.completedAt),
    ended_at: isFinal(video.status) ? iso(endOf(video)) : null,
    file: video.status === "stored" ? fileBody(video.file) : null,
  };
}

const sumOf = (videos: readonly Video[]): Money =>
  videos.map(moneyOf).reduce((sum, money) => ({
    reserved: sum.reserved + money.reserved,
    charged: sum.charged + money.charged,
    unknown: sum.unknown + money.unknown,
  }));

const estimateOf = (video: Video, fleet: Pick<Fleet, "dearest">): MicroUsd | null =>
  video.attempts.at(-1)?.estimate ?? fleet.dearest(video.request.model, video.request.seconds) ?? null;

function endOf(video: Video): number | undefined {
  if (video.status === "stored") return video.storedAt;
  if (video.status === "failed") return video.failedAt;
  return video.status === "cancelled" ? video.cancelledAt : undefined;
}

function failureBody({ failure, attempts }: Extract<Video, { status: "failed" }>): NonNullable<ClipBody["failure"]> {
  const { charged, retry, meaning } = failureClasses[failure.class];
  return { ...failure, meaning, charged: attempts.at(-1)?.charged ?? charged, retry };
}

const fileBody = (file: Extract<Video, { status: "stored" }>["file"]): NonNullable<ClipBody["file"]> => ({
  key: file.key,
  bytes: file.bytes,
  sha256: file.sha256,
  content_type: file.contentType,
  duration_ms: file.media?.durationMs ?? null,
  width: file.media?.width ?? null,
  height: file.media?.height ?? null,
  differences: file.differences,
  thumbnail: file.variants?.thumbnail?.key ?? null,
});
