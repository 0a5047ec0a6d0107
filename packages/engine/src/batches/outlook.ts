import { type BatchForecast, defaultSecondsOf, type Lane, sayUsd, spentOf, type VideoId } from "@reelq/contract";
import { SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import type { LaneState } from "../lane-state.ts";
import { laneName } from "../lane.ts";
import { readMoney, scopes } from "../money.ts";
import { placesOf } from "../obstacle.ts";
import type { Plan } from "../plan.ts";
import { forecast, type ForecastLane } from "./forecast.ts";
import { stretchOf, windowOf } from "./gate.ts";
import type { Keeping } from "./keeping.ts";
import { heldPool, lanesOfPool } from "./pool.ts";
import { type BatchRecord, leftOf } from "./record.ts";

/** How often a batch that runs is looked at anew. */
const lookEveryMs = 10 * SECOND;

/** From a render's end until its file is stored, about. */
const downloadMs = 5 * SECOND;

/** Clips that wait for one lane, and how long each is. */
export interface LaneDemand {
  readonly lane: Lane;
  readonly waiting: number;
  readonly seconds: number;
  /** Clips of this batch that are under way there. */
  readonly own?: number;
  /** Clips of other batches that want it too. */
  readonly foreign?: number;
}

/** What is to be expected of clips that wait for lanes. */
export async function expectationOf(
  demands: readonly LaneDemand[],
  batch: Pick<BatchRecord, "window">,
  engine: Pick<Engine, "ledger" | "fleet" | "clock">,
  plan: Pick<Plan, "expected">,
): Promise<BatchForecast> {
  const { ledger, fleet, clock } = engine;
  const now = clock.now();
  const states = await ledger.laneStates(demands.map(({ lane }) => lane));
  const lanes = await Promise.all(
    demands.map(async ({ lane, waiting, seconds, own = 0, foreign = 0 }, index): Promise<ForecastLane> => {
      const rest = await plan.expected({ lane, request: { seconds }, ageMs: 0, reading: undefined });
      const state = states[index];
      const limits = fleet.limitsOf(lane);
      const perMinute = Math.min(limits.lane.perMinute || Infinity, limits.account.perMinute || Infinity);
      return {
        lane: laneName(lane),
        waiting,
        own,
        // Nobody knows how old they are; half way through is as good as any guess.
        running: Array.from({ length: Math.min(state?.inFlight ?? 0, 10_000) }, () => rest.median / 2),
        places: state ? placesOf(state, limits) : Infinity,
        perMinute,
        medianMs: rest.median,
        p95Ms: rest.ninetyFive,
        foreignAhead: foreign + (state?.waiting ?? 0),
      };
    }),
  );
  const zone = batch.window === undefined ? "UTC" : windowOf(batch.window).zone;
  const { endsAt, fits, unfit, of, sentence } = forecast(lanes, now, stretchOf(batch, now), downloadMs, zone);
  return {
    ends_at: endsAt === null ? null : new Date(endsAt).toISOString(),
    fits,
    unfit,
    of,
    sentence,
    at: new Date(now).toISOString(),
  };
}

/** Looks ahead now and then, and tells where what was to be expected has changed between all and not all. */
export async function lookAhead(batch: BatchRecord, { engine, store, plan }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  const before = batch.forecast;
  if (before && clock.now() - Date.parse(before.at) < lookEveryMs) return;
  if (leftOf(batch) === 0) return;
  const demands = await withForeign(withOwn(await demandsOf(batch, engine), batch), batch, { engine, store });
  const after = await withinBudget(await expectationOf(demands, batch, engine, plan), demands, batch, engine);
  await redis.hset(keys.batch(batch.id), "forecast", JSON.stringify(after));
  const toldUnfit = (before?.unfit ?? 0) > 0;
  if (after.unfit > 0 === toldUnfit) return;
  await store.turn(batch, [batch.state], batch.state, { event: "batch.forecast" });
}

/** What its budget lets it send says more than when all of it could be done. */
async function withinBudget(
  expected: BatchForecast,
  demands: readonly LaneDemand[],
  { id, budget }: BatchRecord,
  { redis, keys, fleet }: Engine,
): Promise<BatchForecast> {
  if (budget === undefined) return expected;
  const prices = demands.map(({ lane, seconds, waiting }) => (fleet.priceIn(lane, seconds) ?? 0) * waiting);
  const cost = prices.reduce((sum, price) => sum + price, 0);
  const waiting = demands.reduce((sum, demand) => sum + demand.waiting, 0);
  const left = Math.max(0, budget - spentOf(readMoney(await redis.hgetall(keys.money(scopes.batch(id))))));
  if (cost <= left || waiting === 0) return expected;
  const sent = Math.floor((left / cost) * waiting);
  const sentence = `${sayUsd(left)} of the budget is left, and the ${waiting} that wait cost ${sayUsd(cost)}: about ${sent} of them will be sent.`;
  return { ...expected, ends_at: null, sentence };
}

/** What a batch still wants of each lane; a model's clips are spread over the lanes that serve it, by their places. */
async function demandsOf(batch: BatchRecord, engine: Engine): Promise<LaneDemand[]> {
  const { redis, keys, ledger } = engine;
  const pools = await redis.smembers(keys.batchPools(batch.id));
  const found = await Promise.all(
    pools.map(async (name) => {
      const key = keys.batchPool(batch.id, name);
      const [waiting, [first]] = await Promise.all([redis.zcard(key), redis.zrange(key, 0, "0")]);
      const video = first === undefined ? undefined : await ledger.read(first as VideoId).catch(() => undefined);
      return { name, waiting, video };
    }),
  );
  return (
    await Promise.all(
      found.map(async ({ name, waiting, video }) => {
        const lanes = video ? lanesFor(name, video.lane, engine) : lanesOfPool(name, engine.fleet);
        const [first] = lanes;
        const model = first && engine.fleet.catalogue[first.model];
        const seconds = video?.request.seconds ?? (model && defaultSecondsOf(model));
        if (!first || seconds === undefined) return [];
        return spread(waiting, lanes, seconds, await ledger.laneStates(lanes), engine);
      }),
    )
  ).flat();
}

/** Clips that are sent, or wait in a lane, count where the batch's first ones go: nobody has asked each where it is. */
function withOwn([first, ...rest]: readonly LaneDemand[], batch: BatchRecord): LaneDemand[] {
  const { submitting, in_doubt: inDoubt, rendering, downloading } = batch.counts;
  const own = submitting + inDoubt + rendering + downloading + batch.loose + batch.sharedOpen;
  return first ? [{ ...first, own }, ...rest] : [];
}

/** What other batches that run want of the same lanes; they get their turns. */
async function withForeign(
  demands: readonly LaneDemand[],
  { id }: BatchRecord,
  { engine, store }: Pick<Keeping, "engine" | "store">,
): Promise<LaneDemand[]> {
  const { redis, keys } = engine;
  const others = (await store.open()).filter((other) => other.id !== id && other.state === "running");
  return Promise.all(
    demands.map(async (demand) => {
      const pools = others.flatMap((other) =>
        [demand.lane.model, laneName(demand.lane)].map((pool) => keys.batchPool(other.id, pool)),
      );
      const counts = await Promise.all(pools.map((pool) => redis.zcard(pool)));
      return { ...demand, foreign: counts.reduce((sum, count) => sum + count, 0) };
    }),
  );
}

/** Those that are held will be rendered where their source is, most likely. */
const lanesFor = (pool: string, lane: Lane, { fleet }: Pick<Engine, "fleet">): readonly Lane[] =>
  pool === heldPool ? [lane] : lanesOfPool(pool, fleet);

/** Clips among lanes, by how many each renders at once. */
export function spread(
  waiting: number,
  lanes: readonly Lane[],
  seconds: number,
  states: readonly LaneState[],
  { fleet }: Pick<Engine, "fleet">,
): LaneDemand[] {
  const places = lanes.map((lane, index) => {
    const state = states[index];
    const here = state ? placesOf(state, fleet.limitsOf(lane)) : 1;
    return Number.isFinite(here) ? here : 1_000;
  });
  const all = places.reduce((sum, here) => sum + here, 0);
  let left = waiting;
  return lanes.map((lane, index) => {
    const share =
      index === lanes.length - 1 ? left : Math.min(left, Math.round((waiting * (places[index] ?? 0)) / all));
    left -= share;
    return { lane, waiting: share, seconds };
  });
}
