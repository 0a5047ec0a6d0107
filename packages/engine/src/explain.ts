import { isFinal, lastAttempt, type Video, type VideoIn } from "@reelq/contract";
import { notFoundForMs, notFoundTimes, renderDeadlineMs } from "./backoff.ts";
import { sayParked } from "./batches/explain.ts";
import { MINUTE, SECOND } from "./clock.ts";
import type { Engine } from "./engine.ts";
import { expiryOf } from "./expiry.ts";
import { serves } from "./fleet.ts";
import { isSameLane, type LaneLimits, laneName, takesPlace } from "./lane.ts";
import type { LaneState } from "./lane-state.ts";
import { fullnessOf, type Obstacle, obstacleOf, placesOf, sayObstacle } from "./obstacle.ts";
import { openPlan, type Plan } from "./plan.ts";
import { span } from "./span.ts";

/** Why a video is where it is, and when it should move. Times in ms since 1970. */
export interface Explanation {
  readonly video: Video;
  /** One plain sentence. */
  readonly sentence: string;
  /** The next thing that happens to it by itself; absent: nothing does, or nobody can say when. */
  readonly nextAt?: number;
  /** When it is expected to be rendered: the median, and what nine of ten do not pass. */
  readonly expected?: { readonly median: number; readonly ninety: number };
  /** What keeps its lane from sending; queued videos only. */
  readonly obstacle?: Obstacle;
  /** Queued videos of its lane that are older; queued videos only. */
  readonly ahead?: number;
  readonly lane?: LaneState;
}

type Said = Omit<Explanation, "video" | "lane">;

export type Explainer = (video: Video) => Promise<Explanation>;

export function openExplainer(engine: Engine): Explainer {
  const { ledger, fleet, clock } = engine;
  const plan = openPlan(ledger, fleet, clock, Math.random);
  return async (video) => {
    if (isFinal(video.status)) return { video, sentence: ended(video) };
    const [[lane], workers] = await Promise.all([ledger.laneStates([video.lane]), ledger.workers()]);
    const facts = { video, ...(lane ? { lane } : {}) };
    if (video.status === "queued" && video.parked && workers > 0)
      return { ...facts, ...(await sayParked(video, engine)) };
    // Whatever else may hold it, nothing moves without these two.
    if (workers === 0) return { ...facts, sentence: `No worker is running, so it stays ${placeOf(video)}.` };
    if (video.status !== "queued" && !serves(fleet, video)) {
      const why = `the configuration no longer names ${video.lane.upstream}, so nobody looks at it`;
      return { ...facts, sentence: `It stays ${placeOf(video)}: ${why}; name it again, with its key.` };
    }
    return { ...facts, ...(await sayWhy(video, lane, engine, plan)) };
  };
}

async function sayWhy(video: Video, lane: LaneState | undefined, engine: Engine, plan: Plan): Promise<Said> {
  const now = engine.clock.now();
  switch (video.status) {
    case "queued":
      return queued(video, lane, engine, plan);
    case "submitting":
      return submitting(video, engine);
    case "in_doubt":
      return inDoubt(video, now);
    case "rendering":
      return rendering(video, lane, engine, plan);
    case "downloading":
      return downloading(video, now);
    default:
      return { sentence: ended(video) };
  }
}

async function submitting(video: VideoIn<"submitting">, { ledger, clock }: Engine): Promise<Said> {
  const sent = `Its POST went to ${video.lane.upstream} ${ago(clock.now() - intentOf(video))}`;
  if (await ledger.isAlive(video.worker))
    return { sentence: `${sent} and has not been answered yet; a reply that does not come leaves it in doubt.` };
  return {
    sentence: `${sent}, if its worker got so far: that one is gone, and within a minute it is found and looked for.`,
  };
}

const placeOf = ({ status, lane }: Video): string => `${status.replace("_", " ")} in ${laneName(lane)}`;

const intentOf = (video: Video): number => lastAttempt(video)?.intentAt ?? video.updatedAt;

async function queued(
  video: VideoIn<"queued">,
  state: LaneState | undefined,
  { ledger, fleet, clock }: Engine,
  plan: Plan,
): Promise<Said> {
  const name = laneName(video.lane);
  if (!state || !serves(fleet, video))
    return {
      sentence: `It waits in ${name}, which the configuration no longer serves; serve it again, or cancel the video.`,
    };
  const ahead = await ledger.position(video);
  const queue =
    ahead === 0
      ? "it is the next one"
      : `${count(ahead, "older video")} of its lane go${ahead === 1 ? "es" : ""} first`;
  const limits = fleet.limitsOf(video.lane);
  const obstacle = obstacleOf(state, limits);
  const now = clock.now();
  if (!obstacle) {
    const own =
      video.dueAt > now && video.waiting ? ` (${video.waiting.reason}: ${video.waiting.detail ?? "no details"})` : "";
    return {
      sentence: `It waits for its turn in ${name}, where nothing is in the way: ${queue}, ${soon(video.dueAt - now)}${own}.`,
      nextAt: Math.max(now, video.dueAt),
      ahead,
    };
  }
  // Places that only a person can free matter more than a breaker that opens and closes over them.
  const full = fullnessOf(state, limits);
  if (full && (await heldDoubts(video, full, ledger)) >= full.places) {
    const why = `${sayObstacle(full, video.lane.upstream)} by videos in doubt that a person must resolve`;
    const how = "reelq list --status in_doubt, then reelq resolve";
    return { sentence: `It waits in ${name} because ${why} (${how}): ${queue}.`, obstacle: full, ahead };
  }
  const { median } = await plan.expected({ ...video, ageMs: 0, reading: undefined });
  const turn = turnIn(state, limits, obstacle, ahead, median);
  return {
    sentence: `It waits in ${name} because ${sayObstacle(obstacle, video.lane.upstream)}: ${queue}; its turn comes ${soon(turn)}.`,
    nextAt: now + turn,
    obstacle,
    ahead,
  };
}

/** Of the videos that take up the lane's or its account's places: those that only a person can move on. */
async function heldDoubts(
  { lane }: Video,
  { whose }: Obstacle & { kind: "full" },
  ledger: Pick<Engine["ledger"], "list">,
): Promise<number> {
  const { videos } = await ledger.list({ statuses: ["in_doubt"], order: "asc", limit: 500 });
  return videos.filter(
    (video) =>
      video.status === "in_doubt" &&
      video.doubt.held &&
      takesPlace(video) &&
      (whose === "account" ? video.lane.upstream === lane.upstream : isSameLane(video.lane, lane)),
  ).length;
}

/** About how long until the lane has let all older ones pass, in ms. */
function turnIn(state: LaneState, limits: LaneLimits, obstacle: Obstacle, ahead: number, renderMs: number): number {
  const rate = Math.min(limits.lane.perMinute || Infinity, limits.account.perMinute || Infinity);
  const places = placesOf(state, limits);
  const byRate = Number.isFinite(rate) ? (ahead / rate) * MINUTE : 0;
  const byPlaces = Number.isFinite(places) ? (ahead / places) * renderMs : 0;
  // A place of a full lane is on average half way through its render, and the first of n comes free n times as soon.
  const first = obstacle.kind === "full" ? renderMs / (places + 1) : obstacle.waitMs;
  return first + Math.max(byRate, byPlaces);
}

function inDoubt({ doubt, lane, dueAt }: VideoIn<"in_doubt">, now: number): Said {
  const why = `${lane.upstream} may or may not have taken its POST (${doubt.reason})`;
  if (doubt.held)
    return {
      sentence: `${why}, and evidence cannot settle it (${doubt.evidence ?? "no list"}); a person decides with reelq resolve.`,
      nextAt: dueAt,
    };
  const found = doubt.evidence === undefined ? "" : `, so far: ${doubt.evidence}`;
  return { sentence: `${why}; it is looked for ${soon(dueAt - now)}${found}.`, nextAt: dueAt };
}

async function rendering(
  video: VideoIn<"rendering">,
  state: LaneState | undefined,
  { clock, fleet }: Engine,
  plan: Plan,
): Promise<Said> {
  const now = clock.now();
  const { task, looks } = video;
  const ageMs = Math.max(0, now - task.acceptedAt);
  const [readAge, progress] = looks.readings?.at(-1) ?? [0, undefined];
  const reading = progress === undefined ? undefined : { ageMs: readAge, progress };
  const reported = task.progress === undefined ? "" : `, ${Math.floor(task.progress)} % by its own report`;
  const next = `the next look comes ${soon(video.dueAt - now)}`;
  const nextAt = Math.max(now, video.dueAt);
  const so = `${video.lane.upstream} has been rendering it for ${span(ageMs)}${reported}`;
  if (looks.notFound > 0) return { sentence: forgotten(video, next, now), nextAt };
  const rest = await plan.expected({ ...video, ageMs, reading });
  const expected = { median: now + rest.median, ninety: now + rest.ninety };
  if (looks.missed > 0) {
    const why = looks.lastProblem ?? state?.breaker.why ?? "";
    return {
      sentence: `${so}, but ${looks.missed === 1 ? "the last look" : `the last ${looks.missed} looks`} failed (${why || "no details"}), which says nothing about the render; ${next}.`,
      nextAt,
      expected,
    };
  }
  if (ageMs > renderDeadlineMs(fleet.catalogue[video.lane.model]?.typicalRenderSeconds))
    return { sentence: `${so}, far longer than usual; ${next}, and it is given up after a day.`, nextAt };
  return {
    sentence: `${so}; ${next}, and it should be done ${soon(rest.median)} (9 of 10 within ${span(rest.ninety)}).`,
    nextAt,
    expected,
  };
}

/** The upstream says that it knows no such task: servers forget, and remember again. */
function forgotten({ lane, looks }: VideoIn<"rendering">, next: string, now: number): string {
  const since = looks.notFoundSince ?? now;
  const leftMs = Math.max(0, since + notFoundForMs - now);
  const end =
    leftMs === 0 && looks.notFound >= notFoundTimes - 1
      ? "at the next such answer"
      : `if that goes on for another ${span(leftMs)}`;
  return `${lane.upstream} has said ${count(looks.notFound, "time")} in a row that it knows no such task (${looks.lastProblem ?? "not found"}); ${next}, and it is taken for lost ${end}.`;
}

function downloading({ task, fetching, dueAt, lane }: VideoIn<"downloading">, now: number): Said {
  const expiry = expiryOf(task);
  const kept =
    expiry > now
      ? `${lane.upstream} keeps it for another ${span(expiry - now)}`
      : `${lane.upstream} may have deleted it`;
  if (fetching.tries === 0)
    return { sentence: `It is rendered, and its file is being fetched; ${kept}.`, nextAt: Math.max(now, dueAt) };
  const why = fetching.lastProblem ?? "no details";
  return {
    sentence: `It is rendered, and ${count(fetching.tries, "try", "tries")} to fetch its file failed (${why}); the next one comes ${soon(dueAt - now)}, and ${kept}.`,
    nextAt: Math.max(now, dueAt),
  };
}

function ended(video: Video): string {
  switch (video.status) {
    case "stored":
      return `It is finished: its file is stored as ${video.file.key}.`;
    case "failed":
      return `It failed and stays so unless a person retries it: ${video.failure.class}, ${video.failure.message.replace(/\.$/, "")}.`;
    case "cancelled":
      return `It was cancelled${video.abandoned ? " after it was paid for" : " while it was queued"}.`;
    default:
      return `It is ${video.status}.`;
  }
}

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

const soon = (ms: number): string => (ms < SECOND ? "now" : `in about ${span(ms)}`);
const ago = (ms: number): string => (ms < SECOND ? "just now" : `${span(ms)} ago`);
