import { type BatchId, isFinal, type Status, type Video, type VideoId } from "@reelq/contract";
import { isLoose, isParked, poolOf, turnOf } from "./batches/pool.ts";
import { eventStreamLength } from "./event-stream.ts";
import type { Health } from "./health.ts";
import { type LaneLimits, rateWindowMs, takesPlace } from "./lane.ts";
import { type Cap, type Place, postingsBetween, scopes } from "./money.ts";
import type { HeldBack, LimitOwner, Obstacle } from "./obstacle.ts";

/** What happens in the same script as the write. */
export interface AdvanceOptions {
  /** The reminder that stands is the next one too: it is to be delayed by whoever has it. */
  readonly keepsReminder?: boolean;
  /** Ask for leave to send one POST. */
  readonly leave?: LaneLimits;
  /** For how long a POST that was given leave while the breaker is half-open keeps others from trying, in ms. */
  readonly probeMs?: number;
  /** Rest the lane; twice as long each time in a row, unless the server said how long. */
  readonly restLane?: {
    readonly ms: number;
    readonly reason: string;
    readonly said: boolean;
    /** When the POST that was refused was sent, ms since 1970: those of one burst count once. */
    readonly sentAt: number;
  };
  /** What the POST taught of the account's cap of tasks at once; when a refused one was sent, ms since 1970. */
  readonly pulse?: { readonly kind: "accepted" } | { readonly kind: "crowded"; readonly sentAt: number };
  readonly health?: Health;
  /** What the attempt may not pass, where leave is asked for and its price is known; the batch's own is added. */
  readonly caps?: readonly Cap[];
  /** When to tell that the video is still in the status it enters, ms since 1970; none where left out. */
  readonly alarmAt?: number;
}

/** What a move did to its upstream's breaker. */
export type BreakerChange = "opened" | "reopened" | "closed";

export type Advance =
  /** `pauses`: why its batch sends nothing more. */
  | { readonly kind: "moved"; readonly video: Video; readonly breaker?: BreakerChange; readonly pauses?: string }
  /** Somebody else wrote first, or it is gone: whoever asked must forget what it knew. */
  | { readonly kind: "changed" }
  /** No leave to send: nothing was written. */
  | { readonly kind: "refused"; readonly obstacle: Obstacle }
  /** The lane would send it; its batch or a budget does not let it go. Nothing was written. */
  | { readonly kind: "held_back"; readonly by: HeldBack }
  | { readonly kind: "owned"; readonly owner: VideoId }
  /** Its batch would let it go, and another video is rendered for the same clip. Nothing was written. */
  | { readonly kind: "taken"; readonly owner: VideoId };

/** What a move into this status adds to. */
const counterOf = (video: Video): string =>
  video.status === "failed" ? `failed ${video.failure.class}` : video.status;

/**
 * What `advance.lua` is told; what is left out does not happen. Times in ms since 1970. Numbers that it only hands on
 * to Redis are texts: Lua takes long to write one.
 */
interface Move {
  readonly id: VideoId;
  readonly project: string;
  /** Of its lane. */
  readonly model: string;
  readonly had: string;
  readonly gets: string;
  readonly status: Status;
  readonly at: string;
  readonly due?: string;
  /** It waited in its lane, or may have. */
  readonly waited?: true;
  /** The place in its lane. */
  readonly place: "take" | "keep" | "free";
  /** A time, or what is to become of the one that is set. */
  readonly alarm: `${number}` | "keep" | "none";
  /** The longest length of the stream that the event goes to. */
  readonly events?: string;
  /** The counter to raise. */
  readonly counter?: string;
  /** The task that the video comes to own. */
  readonly task?: string;
  /** Those of `AdvanceOptions`, as they are. */
  readonly leave?: LaneLimits;
  readonly probeMs?: number;
  readonly restLane?: AdvanceOptions["restLane"];
  readonly pulse?: AdvanceOptions["pulse"];
  readonly health?: Health;
  readonly rateWindowMs: number;
  /** Of a clip that goes to, or stays in, the pool of its batch: its turn there. */
  readonly turn?: number;
  readonly batch?: BatchMove;
  readonly postings?: readonly PostingMove[];
  /** What the attempt will cost, where caps are to be held. */
  readonly estimate?: number;
  readonly caps?: readonly (readonly [scope: number, micros: number, name: string])[];
  /** The number of the batch's own scope. */
  readonly ownScope?: number;
}

/** What a move is to the video's batch. */
interface BatchMove {
  readonly id: BatchId;
  readonly project: string;
  readonly number: number;
  readonly pool: string;
  /** Its render key, where its batch lets it go: nobody else may have it rendered. */
  readonly key?: string;
  /** 1: it comes to wait in a lane, no longer in its batch; -1: it waits there no more. */
  readonly loose: -1 | 0 | 1;
  readonly from: Status;
  readonly to: Status;
  readonly wasOver: boolean;
  readonly isOver: boolean;
  /** The failure class that it enters. */
  readonly class?: string;
  readonly skipped?: true;
  /** Micro-USD that are now charged, or may be. */
  readonly paid: number;
  readonly looks: number;
  readonly setbacks: number;
  readonly events: number;
}

/** A posting whose scopes are numbers of keys, with their names. */
interface PostingMove {
  readonly attempt: number;
  readonly upstream: string;
  readonly day: string;
  readonly from: Place;
  readonly to: Place;
  readonly micros: number;
  readonly scopes: readonly (readonly [number: number, name: string])[];
}

/** A move, and the scopes of money that it names by their numbers, the first one 1. */
export interface MoveWithScopes {
  readonly move: Move;
  readonly scopes: readonly string[];
}

function placeOf(video: Video, written: Video, asksForLeave: boolean): Move["place"] {
  if (!takesPlace(written)) return takesPlace(video) ? "free" : "keep";
  // A doubt that was over, and is a render after all.
  const isBack = video.status === "in_doubt" && !takesPlace(video);
  return asksForLeave || isBack ? "take" : "keep";
}

export function moveOf(video: Video, written: Video, options: AdvanceOptions): MoveWithScopes {
  const { alarmAt, caps, keepsReminder: _, ...asked } = options;
  const isNewStatus = video.status !== written.status;
  const { money, named } = moneyMove(video, written, caps);
  const move: Move = {
    ...asked,
    rateWindowMs,
    id: video.id,
    project: video.project,
    model: video.lane.model,
    had: String(video.version),
    gets: String(written.version),
    status: written.status,
    at: String(written.updatedAt),
    ...(video.status === "queued" ? { waited: true as const } : {}),
    place: placeOf(video, written, asked.leave !== undefined),
    alarm: alarmAt === undefined ? (isNewStatus ? "none" : "keep") : `${Math.ceil(alarmAt)}`,
    ...(isFinal(written.status) ? {} : { due: String(written.dueAt) }),
    ...(isNewStatus ? { events: String(eventStreamLength), counter: counterOf(written) } : {}),
    ...(isNewStatus && written.status === "rendering" ? { task: written.task.id } : {}),
    ...(written.status === "queued" && written.batch && written.parked ? { turn: turnOf(written.batch) } : {}),
    ...batchMove(video, written),
    ...money,
  };
  return { move, scopes: named };
}

/** Whether nothing of the video changes but its record, when it is due and its alarm: it is looked at, and goes on. */
export const staysPut = (video: Video, move: Move): boolean =>
  video.status === move.status &&
  move.status !== "queued" &&
  move.due !== undefined &&
  move.alarm !== "none" &&
  move.place === "keep" &&
  (Object.keys(move) as (keyof Move)[]).every((said) => ofEachMove.has(said));

/** Whether it has to do with a queue, with leave to send, or with what a POST brought. */
export const touchesLane = ({ waited, status, leave, pulse, restLane, task }: Move): boolean =>
  waited === true ||
  status === "queued" ||
  task !== undefined ||
  leave !== undefined ||
  pulse !== undefined ||
  restLane !== undefined;

/** All that `stay.lua` knows of; whatever else a move is told is `advance.lua`'s. */
const ofEachMove: ReadonlySet<keyof Move> = new Set<keyof Move>([
  "id",
  "project",
  "model",
  "had",
  "gets",
  "status",
  "at",
  "due",
  "place",
  "alarm",
  "health",
  "rateWindowMs",
]);

type MoneyMove = Pick<Move, "postings" | "caps" | "estimate" | "ownScope">;

function moneyMove(
  video: Video,
  written: Video,
  caps: readonly Cap[] | undefined,
): { readonly money: MoneyMove; readonly named: readonly string[] } {
  const postings = postingsBetween(video, written);
  const estimate = caps === undefined ? undefined : written.attempts.at(-1)?.estimate;
  if (postings.length === 0 && estimate === undefined) return { money: {}, named: [] };
  const own = written.batch && scopes.batch(written.batch.id);
  const named = [
    ...new Set([
      ...postings.flatMap((posting) => posting.scopes),
      ...(caps ?? []).map(({ scope }) => scope),
      ...(own === undefined ? [] : [own]),
    ]),
  ];
  const numberOf = (scope: string): number => named.indexOf(scope) + 1;
  const money: MoneyMove = {
    ...(postings.length === 0
      ? {}
      : {
          postings: postings.map(({ attempt, upstream, day, from, to, micros, scopes: counted }) => {
            return {
              attempt,
              upstream,
              day,
              from,
              to,
              micros,
              scopes: counted.map((one) => [numberOf(one), one] as const),
            };
          }),
        }),
    ...(estimate === undefined || caps === undefined
      ? {}
      : {
          estimate,
          caps: caps.map(({ scope, micros, name }) => [numberOf(scope), micros, name] as const),
          ...(own === undefined ? {} : { ownScope: numberOf(own) }),
        }),
  };
  return { money, named };
}

function batchMove(video: Video, written: Video): Pick<Move, "batch"> {
  const { batch } = written;
  if (!batch) return {};
  const paid = postingsBetween(video, written)
    .filter(({ to }) => to === "charged" || to === "unknown")
    .reduce((sum, { micros }) => sum + micros, 0);
  return {
    batch: {
      id: batch.id,
      project: written.project,
      number: batch.number,
      pool: poolOf(written),
      ...(isParked(video) && isLoose(written) ? { key: batch.renderKey } : {}),
      loose: (Number(isLoose(written)) - Number(isLoose(video))) as -1 | 0 | 1,
      from: video.status,
      to: written.status,
      wasOver: isFinal(video.status),
      isOver: isFinal(written.status),
      paid,
      looks: "looks" in written ? written.looks.count : "looks" in video ? video.looks.count : 0,
      setbacks: Object.values(written.setbacks).reduce((sum, times) => sum + times, 0),
      events: eventStreamLength,
      ...(written.status === "failed" ? { class: written.failure.class } : {}),
      ...(written.status === "cancelled" && written.skipped ? { skipped: true as const } : {}),
    },
  };
}

/** What `advance.lua` answered. */
export function advanceOf(reply: readonly (string | number | null)[], written: Video): Advance {
  const [kind, first, second, third, fourth] = reply;
  const waitMs = Number(first);
  const whose = third as LimitOwner;
  const refused = (obstacle: Obstacle): Advance => ({ kind: "refused", obstacle });
  switch (kind) {
    case "moved":
      return {
        kind,
        video: written,
        ...(second ? { breaker: second as BreakerChange } : {}),
        ...(third ? { pauses: String(third) } : {}),
      };
    case "full":
      return refused({ kind, inFlight: waitMs, places: Number(second), whose, isLearned: fourth === "learned" });
    case "rate":
      return refused({ kind, waitMs, allowed: Number(second), whose });
    case "resting":
      return refused({ kind, waitMs, reason: String(second) });
    case "breaker":
      return refused({ kind, waitMs, reason: String(second), isTried: third === "tried" });
    case "held":
      return { kind: "held_back", by: { kind, state: String(first), reason: String(second) } };
    case "canary":
      return { kind: "held_back", by: { kind } };
    case "budget":
      return {
        kind: "held_back",
        by: { kind, whose: String(first), spent: Number(second), cap: Number(third), needed: Number(fourth) },
      };
    case "owned":
    case "taken":
      return { kind, owner: String(first) as VideoId };
    default:
      return { kind: "changed" };
  }
}
