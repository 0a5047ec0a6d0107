import type { BatchPlanBody, Lane, MicroUsd } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import { SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { laneName } from "../lane.ts";
import { placesOf } from "../obstacle.ts";
import type { Plan } from "../plan.ts";
import { openUploads } from "../uploads.ts";
import { readInput } from "./input.ts";
import { type Intake, noPrice, unpricedOf } from "./intake.ts";
import { type KnownLine, renderKeyOf, type Survey } from "./manifest.ts";
import type { Order } from "./order.ts";
import { expectationOf, type LaneDemand, spread } from "./outlook.ts";
import { findRendered } from "./reuse.ts";

/** So many lines are told of. */
const mostTold = 1_000;

const pageLength = 500;

/** Clips that are to be rendered alike: in the same lanes, for the same price. */
interface Kind {
  readonly model: string;
  readonly seconds: number;
  /** Undefined: any lane of the model. */
  readonly upstream: string | undefined;
  count: number;
}

/** What a batch would do; nothing is written. */
export function openPlanner(engine: Engine, intake: Intake, plan: Plan) {
  const uploads = openUploads(engine);
  const { fleet, ledger } = engine;

  return async (order: Order, caller: Caller): Promise<BatchPlanBody> => {
    const { filename } = await readInput(order.inputFile, uploads, caller);
    const { defaults, references, inputFile } = order;
    const judged = await intake.survey({ inputFile, filename, defaults, references }, caller, false);
    const { lines, clips, mistakes, mistakeCount, notes } = judged.survey;
    const found = await sortOut(judged.survey, order, caller, engine);
    const demands = await demandsOf(found.kinds, engine);
    const forecast = await expectationOf(demands, order.controls, engine, plan);
    const unpriced = unpricedOf(lines, engine);
    const price = priceOf(found.kinds, engine);
    const { budget } = order.controls;
    const errors = [...mistakes, ...(budget !== undefined && unpriced.length > 0 ? [noPrice(unpriced)] : [])];
    const fitsBudget = budget === undefined || price === null ? null : price <= budget;
    return {
      object: "batch.plan",
      ok: errors.length === 0 && fitsBudget !== false && forecast.fits !== false,
      lines: lines.size,
      clips,
      errors,
      error_count: mistakeCount + errors.length - mistakes.length,
      notes: [...notes, ...judged.references.misfits().map((misfit) => `${misfit}.`)],
      reused: found.reused,
      shared: found.shared,
      to_render: found.kinds.reduce((sum, { count }) => sum + count, 0),
      reused_lines: found.reusedLines,
      price,
      unpriced_models: [...unpriced],
      budget: budget ?? null,
      fits_budget: fitsBudget,
      lanes: await Promise.all(demands.filter(({ waiting }) => waiting > 0).map(laneOf)),
      forecast,
    };
  };

  async function laneOf(demand: LaneDemand): Promise<BatchPlanBody["lanes"][number]> {
    const { lane, waiting, seconds } = demand;
    const [state] = await ledger.laneStates([lane]);
    const limits = fleet.limitsOf(lane);
    const places = state ? placesOf(state, limits) : Infinity;
    const perMinute = Math.min(limits.lane.perMinute || Infinity, limits.account.perMinute || Infinity);
    const { median } = await plan.expected({ lane, request: { seconds }, ageMs: 0, reading: undefined });
    const { ends_at: endsAt } = await expectationOf([demand], { window: undefined }, engine, plan);
    const price = fleet.priceIn(lane, seconds);
    return {
      lane: laneName(lane),
      model: lane.model,
      seconds,
      clips: waiting,
      price: price === undefined ? null : price * waiting,
      median_seconds: median / SECOND,
      places: Number.isFinite(places) ? places : null,
      requests_per_minute: Number.isFinite(perMinute) ? perMinute : null,
      expected_seconds: endsAt === null ? null : Math.max(0, Date.parse(endsAt) - engine.clock.now()) / SECOND,
    };
  }
}

interface Sorted {
  readonly kinds: readonly Kind[];
  readonly reused: number;
  readonly shared: number;
  readonly reusedLines: number[];
}

/** Which clips need a render of their own. */
async function sortOut({ lines }: Survey, order: Order, caller: Caller, engine: Engine): Promise<Sorted> {
  const kinds = new Map<string, Kind>();
  const reusedLines: number[] = [];
  let [reused, shared] = [0, 0];
  const page: { known: KnownLine; take: number }[] = [];
  const reusedOf = new Map<KnownLine, number>();
  const flush = async () => {
    const renderKeys = page.map(({ known, take }) => renderKeyOf(known, take));
    const rendered = order.again ? [] : await findRendered(renderKeys, caller.project, engine);
    for (const [index, { known }] of page.entries()) {
      const one = rendered[index]?.video;
      if (one?.kind === "stored") {
        reused += 1;
        const takes = (reusedOf.get(known) ?? 0) + 1;
        reusedOf.set(known, takes);
        if (takes === known.takes && reusedLines.length < mostTold) reusedLines.push(known.line);
      } else if (one?.kind === "coming") shared += 1;
      else count(known, kinds);
    }
    page.length = 0;
  };
  for (const known of lines.values()) {
    if (!known.shape) continue;
    for (let take = 1; take <= known.takes; take += 1) {
      page.push({ known, take });
      if (page.length >= pageLength) await flush();
    }
  }
  await flush();
  return { kinds: [...kinds.values()], reused, shared, reusedLines };
}

function count({ shape, source }: KnownLine, kinds: Map<string, Kind>): void {
  if (!shape) return;
  const { model, seconds } = shape;
  const upstream = source?.kind === "video" ? source.video.lane.upstream : undefined;
  const name = `${model} ${seconds} ${upstream ?? ""}`;
  const kind = kinds.get(name) ?? { model, seconds, upstream, count: 0 };
  kind.count += 1;
  kinds.set(name, kind);
}

const lanesOf = ({ model, upstream }: Kind, { fleet }: Pick<Engine, "fleet">): readonly Lane[] =>
  fleet.lanesOf(model).filter((lane) => upstream === undefined || lane.upstream === upstream);

async function demandsOf(kinds: readonly Kind[], engine: Engine): Promise<LaneDemand[]> {
  const demands = await Promise.all(
    kinds.map(async (kind) => {
      const lanes = lanesOf(kind, engine);
      return spread(kind.count, lanes, kind.seconds, await engine.ledger.laneStates(lanes), engine);
    }),
  );
  return demands.flat();
}

/** In the dearest lane that each may take; null where a price is missing. */
function priceOf(kinds: readonly Kind[], { fleet }: Pick<Engine, "fleet">): MicroUsd | null {
  const prices = kinds.map((kind) => {
    const price = fleet.dearest(kind.model, kind.seconds);
    return price === undefined ? undefined : price * kind.count;
  });
  return prices.includes(undefined) ? null : (prices as MicroUsd[]).reduce((sum, price) => sum + price, 0);
}
