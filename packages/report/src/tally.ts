import { type ClipBody, type FailureClass, isFinal, type MicroUsd } from "@reelq/contract";
import { type Standing, standingOf } from "./standing.ts";

/** A clip that a reader may be led to. */
export interface Pointer {
  readonly number: number;
  readonly customId: string;
  readonly take: number;
  readonly videoId: string;
}

/** Failed clips of one class; waived ones are not among them. */
interface Reason {
  readonly class: FailureClass;
  readonly meaning: string;
  count: number;
  /** Of the first one. */
  readonly example: string;
  charged: MicroUsd;
  unknown: MicroUsd;
  /** Some that may be tried again as they are, and some that must be insisted on. */
  readonly allowed: Pointers;
  readonly insist: Pointers;
}

/** The first few of many. */
export interface Pointers {
  count: number;
  readonly first: Pointer[];
}

interface LaneTally {
  clips: number;
  stored: number;
  failed: number;
  charged: MicroUsd;
  unknown: MicroUsd;
  /** How long each render took, in ms. */
  readonly renderMs: number[];
}

export interface Tally {
  clips: number;
  readonly standings: Map<Standing, number>;
  readonly reasons: Map<FailureClass, Reason>;
  /** Of the clips that this batch has rendered itself, by lane. */
  readonly lanes: Map<string, LaneTally>;
  readonly doubts: Pointers;
  readonly skipped: Pointers;
  readonly different: Pointers;
  readonly waiting: Map<string, number>;
  reused: number;
  shared: number;
  /** What the reused and shared ones would have cost; undefined where one has no price. */
  spared: MicroUsd | undefined;
  attempts: number;
  looks: number;
  setbacks: number;
  /** Videos that a retry with another prompt took the place of. */
  replaced: number;
  storedBytes: number;
  storedMs: number;
  /** In ms since 1970; undefined: never. */
  firstSentAt: number | undefined;
  lastStoredAt: number | undefined;
}

/** So many are pointed to; the rest is counted. */
const mostPointers = 30;

export const emptyTally = (): Tally => ({
  clips: 0,
  standings: new Map(),
  reasons: new Map(),
  lanes: new Map(),
  doubts: nobody(),
  skipped: nobody(),
  different: nobody(),
  waiting: new Map(),
  reused: 0,
  shared: 0,
  spared: 0,
  attempts: 0,
  looks: 0,
  setbacks: 0,
  replaced: 0,
  storedBytes: 0,
  storedMs: 0,
  firstSentAt: undefined,
  lastStoredAt: undefined,
});

const nobody = (): Pointers => ({ count: 0, first: [] });

/** Counts one clip more. */
export function count(tally: Tally, clip: ClipBody): void {
  const standing = standingOf(clip);
  tally.clips += 1;
  tally.standings.set(standing, (tally.standings.get(standing) ?? 0) + 1);
  tally.replaced += clip.before.length;
  if (clip.origin !== "new") spare(tally, clip);
  else render(tally, clip);
  if (standing === "failed") fail(tally, clip);
  if (standing === "in_doubt") point(tally.doubts, clip);
  if (standing === "skipped") point(tally.skipped, clip);
  if (clip.waiting && !isFinal(clip.status)) {
    const { reason } = clip.waiting;
    tally.waiting.set(reason, (tally.waiting.get(reason) ?? 0) + 1);
  }
  if (standing !== "stored" || !clip.file) return;
  tally.storedBytes += clip.file.bytes;
  tally.storedMs += clip.file.duration_ms ?? clip.seconds * 1_000;
  if (clip.file.differences.length > 0) point(tally.different, clip);
}

function spare(tally: Tally, { origin, money }: ClipBody): void {
  tally[origin === "reused" ? "reused" : "shared"] += 1;
  tally.spared = money.estimated === null || tally.spared === undefined ? undefined : tally.spared + money.estimated;
}

/** What this batch did, not another one. */
function render(tally: Tally, clip: ClipBody): void {
  tally.attempts += clip.attempts;
  tally.looks += clip.looks;
  tally.setbacks += clip.setbacks;
  const [sentAt, renderedAt, endedAt] = [clip.sent_at, clip.rendered_at, clip.ended_at].map((time) =>
    time === null ? undefined : Date.parse(time),
  );
  if (sentAt !== undefined) tally.firstSentAt = Math.min(tally.firstSentAt ?? sentAt, sentAt);
  if (endedAt !== undefined && clip.status === "stored")
    tally.lastStoredAt = Math.max(tally.lastStoredAt ?? endedAt, endedAt);
  const lane = laneOf(tally, clip.lane);
  lane.clips += 1;
  if (clip.status === "stored") lane.stored += 1;
  if (clip.status === "failed") lane.failed += 1;
  lane.charged += clip.money.charged;
  lane.unknown += clip.money.unknown;
  if (sentAt !== undefined && renderedAt !== undefined) lane.renderMs.push(renderedAt - sentAt);
}

function laneOf({ lanes }: Tally, name: string): LaneTally {
  const known = lanes.get(name);
  if (known) return known;
  const lane: LaneTally = { clips: 0, stored: 0, failed: 0, charged: 0, unknown: 0, renderMs: [] };
  lanes.set(name, lane);
  return lane;
}

function fail({ reasons }: Tally, clip: ClipBody): void {
  const { failure, money } = clip;
  if (!failure) return;
  const reason = reasons.get(failure.class) ?? {
    class: failure.class,
    meaning: failure.meaning,
    count: 0,
    example: failure.message,
    charged: 0,
    unknown: 0,
    allowed: nobody(),
    insist: nobody(),
  };
  reasons.set(failure.class, reason);
  reason.count += 1;
  reason.charged += money.charged;
  reason.unknown += money.unknown;
  point(reason[failure.retry], clip);
}

function point(pointers: Pointers, { number, custom_id: customId, take, video_id: videoId }: ClipBody): void {
  pointers.count += 1;
  if (pointers.first.length < mostPointers) pointers.first.push({ number, customId, take, videoId });
}

/** The middle one of them; undefined where there are none. */
export const medianOf = (numbers: readonly number[]): number | undefined =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];
