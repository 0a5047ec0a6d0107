import { type BatchBody, batchStatusOf, isBatchOver, type Lane, sayUsd, type Status, statuses } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import type { LaneState } from "../lane-state.ts";
import { laneName } from "../lane.ts";
import { readMoney, scopes } from "../money.ts";
import { obstacleOf, placesOf, sayObstacle } from "../obstacle.ts";
import { stretchOf } from "./gate.ts";
import { heldPool, lanesOfPool } from "./pool.ts";
import type { BatchRecord } from "./record.ts";

const iso = (ms: number): string => new Date(ms).toISOString();
const unix = (ms: number | undefined): number | null => (ms === undefined ? null : Math.floor(ms / 1000));

/** A batch as callers see it. */
export async function batchView(batch: BatchRecord, engine: Engine): Promise<BatchBody> {
  const { spec, state } = batch;
  const [money, lanes] = await Promise.all([
    engine.redis.hgetall(engine.keys.money(scopes.batch(batch.id))).then(readMoney),
    isBatchOver(state) || state === "validating" ? [] : lanesOf(batch, engine),
  ]);
  const counts = countsOf(batch);
  const ended = (is: BatchRecord["state"]): number | null => (state === is ? unix(batch.endedAt) : null);
  return {
    id: batch.id,
    object: "batch",
    endpoint: "/v1/videos",
    errors: batch.errors.length === 0 ? null : { object: "list", data: [...batch.errors] },
    input_file_id: spec.inputFile,
    completion_window: spec.completionWindow,
    status: batchStatusOf[state],
    output_file_id: batch.outputFile ?? null,
    error_file_id: batch.errorFile ?? null,
    created_at: Math.floor(spec.createdAt / 1000),
    in_progress_at: unix(batch.runningAt),
    expires_at: null,
    finalizing_at: unix(batch.finalizingAt),
    completed_at: ended("completed"),
    failed_at: ended("failed"),
    expired_at: ended("expired"),
    cancelling_at: unix(batch.cancellingAt),
    cancelled_at: ended("cancelled"),
    request_counts: { total: counts.total, completed: counts.stored, failed: counts.failed },
    metadata: spec.metadata === null ? null : { ...spec.metadata },
    reelq: {
      state,
      name: batch.name,
      project: spec.project,
      reason:
        batch.reason === undefined
          ? null
          : {
              code: batch.reason,
              message: batch.why,
              since: iso(batch.since ?? batch.updatedAt),
              command: commandOf(batch),
            },
      counts,
      money: { estimated: batch.unpriced ? null : batch.estimated, ...money },
      budget: batch.budget ?? null,
      at_budget: batch.atBudget,
      window: windowBody(batch, engine.clock.now()),
      priority: batch.priority,
      weight: batch.weight,
      canary:
        batch.canary === 0 || batch.canaryState === undefined
          ? null
          : { count: batch.canary, state: batch.canaryState },
      stop_after_failures: batch.stopAfter,
      stop_after: batch.stopBarren ?? null,
      on_source_failure: batch.onSourceFailure,
      forecast: isBatchOver(state) || state === "paused" ? null : (batch.forecast ?? null),
      lanes,
      looks: batch.looks,
      retries: batch.retries,
      report: batch.reported,
      updated_at: iso(batch.updatedAt),
    },
  };
}

/** Clips by status, whoever has them rendered; lines that are done without count apart. */
function countsOf(batch: BatchRecord): BatchBody["reelq"]["counts"] {
  const { counts, shared, waived, reused, sharedOpen } = batch;
  const each = Object.fromEntries(
    // A waived clip may have been deleted since.
    statuses.map((status) => [status, Math.max(0, counts[status] + shared[status] - waived[status])]),
  ) as Record<Status, number>;
  return {
    total: batch.total,
    ...each,
    queued: each.queued + sharedOpen,
    stored: each.stored + reused,
    reused,
    skipped: Math.min(batch.skipped, each.cancelled),
    waived: statuses.reduce((sum, status) => sum + waived[status], 0),
  };
}

function windowBody(batch: BatchRecord, now: number): BatchBody["reelq"]["window"] {
  const stretch = stretchOf(batch, now);
  if (!stretch || batch.window === undefined) return null;
  return {
    text: batch.window,
    is_open: stretch.isOpen,
    opens_at: stretch.isOpen ? null : iso(stretch.opensAt),
    closes_at: iso(stretch.closesAt),
    at_end: batch.atWindowEnd,
  };
}

/** How `sayPenniless` begins where it is the batch's own. */
const ownBudget = "The batch's budget";

/** What goes on from where it stands, for a person to type. */
function commandOf({ id, state, reason, why, budget, estimated, unpriced }: BatchRecord): string | null {
  if (state === "failed") return null;
  if (isBatchOver(state) || state === "cancelling") return null;
  // What is spent already of attempts that failed comes on top; a person may want to say another sum.
  if (reason === "budget" && budget !== undefined && !unpriced && estimated > budget && why.startsWith(ownBudget))
    return `reelq batch set ${id} --budget ${sayUsd(estimated).slice(1)}`;
  return `reelq batch resume ${id}`;
}

async function lanesOf(
  batch: BatchRecord,
  { redis, keys, fleet, ledger }: Engine,
): Promise<BatchBody["reelq"]["lanes"]> {
  const pools = (await redis.smembers(keys.batchPools(batch.id))).filter((name) => name !== heldPool).sort();
  const waiting = await Promise.all(pools.map((name) => redis.zcard(keys.batchPool(batch.id, name))));
  const demands = new Map<string, { lane: Lane; waiting: number }>();
  for (const [index, pool] of pools.entries())
    for (const lane of lanesOfPool(pool, fleet)) {
      const known = demands.get(laneName(lane)) ?? { lane, waiting: 0 };
      known.waiting += waiting[index] ?? 0;
      demands.set(laneName(lane), known);
    }
  const wanted = [...demands.values()];
  const states = await ledger.laneStates(wanted.map(({ lane }) => lane));
  return wanted.flatMap((one, index) => {
    const state = states[index];
    return state ? laneBody(one.waiting, state, fleet) : [];
  });
}

function laneBody(waiting: number, state: LaneState, fleet: Engine["fleet"]): BatchBody["reelq"]["lanes"][number] {
  const limits = fleet.limitsOf(state.lane);
  const places = placesOf(state, limits);
  const obstacle = obstacleOf(state, limits);
  return {
    lane: laneName(state.lane),
    waiting,
    in_flight: state.inFlight,
    places: Number.isFinite(places) ? places : null,
    obstacle: obstacle ? sayObstacle(obstacle, state.lane.upstream) : null,
  };
}
