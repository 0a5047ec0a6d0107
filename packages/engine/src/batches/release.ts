import { type Lane, sayUsd, type VideoId, type VideoIn } from "@reelq/contract";
import { cancelledFree } from "../cancelled.ts";
import { MINUTE } from "../clock.ts";
import type { LaneState } from "../lane-state.ts";
import { isSameLane, laneName } from "../lane.ts";
import { type HeldBack, obstacleOf, placesOf } from "../obstacle.ts";
import { lineOf, writeClip } from "./clip.ts";
import { type Contender, nextTurns, noShares, type Shares } from "./fair-share.ts";
import { judgeSending, stretchOf } from "./gate.ts";
import { type Keeping, loosened } from "./keeping.ts";
import { heldPool, lanesOfPool } from "./pool.ts";
import { openPurse, type Purse } from "./purse.ts";
import type { BatchRecord } from "./record.ts";

/** So many clips more than it has places wait in a lane, so that a place that is freed is used at once. */
const spare = 2;

/** Nor do more wait in one that nobody limits: the others' turns come the sooner. */
const mostWaiting = 64;

/** A clip that waits, and its turn in its batch. */
interface Waiting {
  readonly id: VideoId;
  readonly turn: number;
}

/** A batch's clips of one pool. */
interface Pool {
  readonly batch: BatchRecord;
  readonly name: string;
  /** Those that come next, the first one first. */
  readonly next: Waiting[];
  readonly lanes: readonly Lane[];
}

type Budget = HeldBack & { readonly kind: "budget" };

/** What the keeper found on its way. */
export interface Round {
  /** Batches none of whose clips may be paid for, and why. */
  readonly penniless: ReadonlyMap<string, Budget>;
}

/** Lets clips go into their lanes, in fair turns, a few more than there are places. */
export async function letGo(batches: readonly BatchRecord[], keeping: Keeping): Promise<Round> {
  const { engine } = keeping;
  const now = engine.clock.now();
  const purse = openPurse(engine);
  const sending = batches.filter((batch) => maySend(batch, now));
  const pools = (await Promise.all(sending.map((batch) => poolsOf(batch, keeping)))).flat();
  const lanes = lanesOf(pools);
  const states = new Map((await engine.ledger.laneStates(lanes)).map((state) => [laneName(state.lane), state]));
  const refusals = new Map<string, Budget>();
  const affordable = new Set<string>();
  const canaries = new Map<string, number>();
  for (const lane of lanes) {
    const here = pools.filter((pool) => pool.next.length > 0 && pool.lanes.some((one) => isSameLane(one, lane)));
    const payable = new Set<Pool>();
    for (const pool of here) {
      const refusal = await refusalIn(lane, pool, purse, keeping);
      if (refusal) refusals.set(pool.batch.id, refusal);
      else {
        affordable.add(pool.batch.id);
        payable.add(pool);
      }
    }
    const state = states.get(laneName(lane));
    const room = state ? roomIn(state, engine) : 0;
    if (room > 0 && here.length > 0) await takeTurns({ lane, room, pools: here, payable, canaries }, keeping);
  }
  const penniless = [...refusals].filter(
    ([id]) => !affordable.has(id) && sending.some((batch) => batch.id === id && batch.loose === 0),
  );
  return { penniless: new Map(penniless) };
}

const maySend = (batch: BatchRecord, now: number): boolean =>
  (batch.state === "running" || (batch.state === "paused" && batch.reason === "budget")) &&
  (stretchOf(batch, now)?.isOpen ?? true);

async function poolsOf(batch: BatchRecord, { engine }: Keeping): Promise<Pool[]> {
  const { redis, keys, fleet } = engine;
  const names = (await redis.smembers(keys.batchPools(batch.id))).filter((name) => name !== heldPool).sort();
  return Promise.all(
    names.map(async (name) => {
      const pairs = await redis.zrange(keys.batchPool(batch.id, name), 0, String(mostWaiting - 1), "WITHSCORES");
      const next: Waiting[] = [];
      for (let at = 0; at + 1 < pairs.length; at += 2)
        next.push({ id: pairs[at] as VideoId, turn: Number(pairs[at + 1]) });
      return { batch, name, next, lanes: lanesOfPool(name, fleet) };
    }),
  );
}

const lanesOf = (pools: readonly Pool[]): readonly Lane[] => {
  const lanes = new Map(pools.flatMap((pool) => pool.lanes.map((lane) => [laneName(lane), lane])));
  return [...lanes.values()];
};

/** How many more may wait in a lane. */
function roomIn(state: LaneState, { fleet }: Keeping["engine"]): number {
  const limits = fleet.limitsOf(state.lane);
  const obstacle = obstacleOf(state, limits);
  const free = Math.max(0, placesOf(state, limits) - state.inFlight);
  // What cannot be sent there now could perhaps be sent elsewhere.
  const wanted = obstacle && obstacle.kind !== "full" ? spare : Math.min(free + spare, mostWaiting);
  return wanted - state.waiting;
}

/** Whether the first of a pool may be paid for in a lane. */
async function refusalIn(lane: Lane, { batch, next }: Pool, purse: Purse, { engine, read }: Keeping) {
  const [head] = next;
  const first = head && (await read(head.id));
  if (typeof first !== "object") return undefined;
  return purse.refusal(first, lane.upstream, engine.fleet.priceIn(lane, first.request.seconds), batch);
}

/** What projects and batches have had of a lane. */
interface LaneShares {
  readonly shares: Shares;
  /** When each batch had its last turn, ms since 1970. */
  readonly turnedAt: Readonly<Record<string, number>>;
}

/** What may go into a lane now. */
interface Offer {
  readonly lane: Lane;
  readonly room: number;
  readonly pools: readonly Pool[];
  /** Those whose next clip passes no cap. */
  readonly payable: ReadonlySet<Pool>;
  /** How many were let go in this round of each batch that still tries its canaries. */
  readonly canaries: Map<string, number>;
}

async function takeTurns({ lane, room, pools, payable, canaries }: Offer, keeping: Keeping): Promise<void> {
  const { redis, keys, clock } = keeping.engine;
  const now = clock.now();
  const known = await redis.get(keys.batchShares(lane));
  const { shares, turnedAt }: LaneShares = known === null ? { shares: noShares, turnedAt: {} } : JSON.parse(known);
  const byBatch = Map.groupBy(pools, ({ batch }) => batch.id);
  const contenders = [...byBatch].flatMap(([id, mine]): Contender[] => {
    const [pool] = mine;
    return pool ? [contenderOf(pool.batch, readyOf(mine, payable, canaries), turnedAt[id], now, keeping)] : [];
  });
  const { turns, shares: after } = nextTurns(contenders, shares, room);
  if (turns.length === 0) return;
  const chosen = turns.flatMap((id) => {
    const next = takeNext((byBatch.get(id as BatchRecord["id"]) ?? []).filter((pool) => payable.has(pool)));
    if (next?.pool.batch.sendable !== undefined) canaries.set(id, (canaries.get(id) ?? 0) + 1);
    return next ?? [];
  });
  await Promise.all(chosen.map(({ id, pool }) => release(id, pool, lane, keeping)));
  const present = Object.entries(turnedAt).filter(([id]) => byBatch.has(id as BatchRecord["id"]));
  const turned = { ...Object.fromEntries(present), ...Object.fromEntries(turns.map((id) => [id, now])) };
  await redis.set(keys.batchShares(lane), JSON.stringify({ shares: after, turnedAt: turned }), "PX", sharesLifeMs);
}

/** Who has been away for so long is new. */
const sharesLifeMs = 60 * MINUTE;

function contenderOf(
  batch: BatchRecord,
  ready: number,
  turnedAt: number | undefined,
  now: number,
  { engine }: Keeping,
): Contender {
  return {
    batch: batch.id,
    project: batch.spec.project,
    priority: batch.priority,
    weight: batch.weight,
    projectWeight: engine.fleet.projectWeight(batch.spec.project),
    waitedMs: now - Math.max(batch.runningAt ?? now, turnedAt ?? 0),
    ready,
  };
}

/** How many of its clips a batch could send now. */
function readyOf(pools: readonly Pool[], payable: ReadonlySet<Pool>, canaries: ReadonlyMap<string, number>): number {
  const batch = pools[0]?.batch;
  if (!batch || batch.state !== "running") return 0;
  const waiting = pools.filter((pool) => payable.has(pool)).reduce((sum, { next }) => sum + next.length, 0);
  if (batch.sendable === undefined) return waiting;
  return Math.max(0, Math.min(waiting, batch.sendable - batch.loose - (canaries.get(batch.id) ?? 0)));
}

/** The clip of a batch whose turn comes first, whichever pool it is in. */
function takeNext(pools: readonly Pool[]): { readonly id: VideoId; readonly pool: Pool } | undefined {
  const [first] = pools
    .filter(({ next }) => next.length > 0)
    .sort((one, other) => (one.next[0]?.turn ?? 0) - (other.next[0]?.turn ?? 0));
  const taken = first?.next.shift();
  return first && taken && { id: taken.id, pool: first };
}

async function release(id: VideoId, { batch }: Pool, lane: Lane, keeping: Keeping): Promise<void> {
  const { engine, plan } = keeping;
  const video = await keeping.parked(id);
  if (!video) return;
  const now = engine.clock.now();
  const price = engine.fleet.priceIn(lane, video.request.seconds);
  const lastingMs = await plan.lastingMs(lane, video.request);
  const { refusal } = judgeSending(video, batch, now, lastingMs, price !== undefined);
  if (refusal) {
    await note(video, refusal.reason, refusal.detail, keeping);
    return;
  }
  const advance = await engine.ledger.advance(video, { ...loosened(video, now), lane });
  if (advance.kind === "taken") return shareWith(advance.owner, video, keeping);
  if (advance.kind !== "moved") return;
  engine.facts.emit("waited", { video: advance.video, note: `its batch lets it go to ${laneName(lane)}` });
  // Should the reminder be lost, the sweep makes another.
  await engine.queues.remind(advance.video, 0);
}

/** Another batch that asked later has the same rendered, or had: this one uses it. */
async function shareWith(
  owner: VideoId,
  video: VideoIn<"queued">,
  { engine, store, scripts, move }: Keeping,
): Promise<void> {
  const { keys, clock } = engine;
  const { batch } = video;
  const clip = batch && (await store.clips(batch.id, [batch.number])).get(batch.number);
  if (!batch || clip?.video !== video.id) return;
  const now = clock.now();
  if (!(await move(video, cancelledFree(video, now), `${owner} is rendered for the same clip`))) return;
  await scripts.lend(
    [keys.batch(batch.id), keys.batchClips(batch.id), keys.batchShared(batch.id)],
    [
      batch.number,
      writeClip(clip),
      writeClip({ ...clip, ...lineOf(batch), video: owner, origin: "shared" }),
      owner,
      now,
    ],
  );
}

/** Writes why a clip waits, once. */
async function note(
  video: VideoIn<"queued">,
  reason: NonNullable<VideoIn<"queued">["waiting"]>["reason"],
  detail: string,
  { engine, move }: Keeping,
): Promise<void> {
  if (video.waiting?.reason === reason && video.waiting.detail === detail) return;
  await move(video, { ...video, waiting: { reason, since: engine.clock.now(), detail } }, detail);
}

/** Why nothing of a batch may be paid for, a whole sentence. */
export const sayPenniless = ({ whose, cap, spent, needed }: HeldBack & { readonly kind: "budget" }): string =>
  `${capital(whose)} is used up: ${sayUsd(spent)} of ${sayUsd(cap)} are spent or set aside, and the next clip costs ${sayUsd(needed)}.`;

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
