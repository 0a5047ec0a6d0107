import {
  type Alarm,
  batchStates,
  type DeliveryStatus,
  failureClasses,
  isBatchOver,
  microsPerUsd,
  moneyAccounts,
  statuses,
} from "@reelq/contract";
import { openBatchStore } from "./batches/store.ts";
import type { Engine } from "./engine.ts";
import { laneName } from "./lane.ts";
import type { LaneState } from "./lane-state.ts";
import { readMoney, scopes } from "./money.ts";

const alarms: readonly Alarm[] = ["at_risk", "overdue"];

const webhookEnds: readonly DeliveryStatus[] = ["delivered", "failed", "cancelled"];

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/**
 * The ledger's figures in Prometheus's text format 0.0.4. Counters live in the ledger, so they are those of all
 * workers together and survive each of them. `reelq_failed_total{class="lost_to_expiry"}` is the one to watch.
 */
export async function metricsText(engine: Engine): Promise<string> {
  const { ledger, fleet, redis, keys } = engine;
  const upstreams = Object.keys(fleet.upstreams);
  const [counts, counters, lanes, breakers, batches, money] = await Promise.all([
    ledger.counts(),
    ledger.counters(),
    ledger.laneStates(fleet.lanes),
    ledger.breakers(upstreams),
    openBatchStore(engine).open(),
    redis.hgetall(keys.money(scopes.all)).then(readMoney),
  ]);
  const ofLanes = (value: (state: LaneState) => number | undefined): Sample[] =>
    lanes.flatMap((state) => {
      const figure = value(state);
      return figure === undefined ? [] : [[{ lane: laneName(state.lane) }, figure] as const];
    });
  const counted = (name: string): number => counters[name] ?? 0;
  return [
    family(
      "reelq_videos",
      "gauge",
      "Videos in each status now.",
      statuses.map((status): Sample => [{ status }, counts[status]]),
    ),
    family(
      "reelq_in_flight",
      "gauge",
      "Places taken in each lane now.",
      ofLanes(({ inFlight }) => inFlight),
    ),
    family(
      "reelq_waiting",
      "gauge",
      "Queued videos of each lane now.",
      ofLanes(({ waiting }) => waiting),
    ),
    family(
      "reelq_learned_places",
      "gauge",
      "Tasks at once that a lane's refusals taught, where there were any.",
      ofLanes(({ learnedPlaces }) => learnedPlaces),
    ),
    family(
      "reelq_breaker_open",
      "gauge",
      "1 while nothing is sent to an upstream, or one video tries it.",
      breakers.map(({ upstream, state }): Sample => [{ upstream }, state === "closed" ? 0 : 1]),
    ),
    family("reelq_posts_total", "counter", "Intents to POST that were written.", [[{}, counted("submitting")]]),
    family("reelq_stored_total", "counter", "Videos stored and verified.", [[{}, counted("stored")]]),
    family("reelq_doubts_total", "counter", "POSTs whose fate was unknown.", [[{}, counted("in_doubt")]]),
    family(
      "reelq_failed_total",
      "counter",
      "Videos that failed, by class.",
      Object.keys(failureClasses).map((name): Sample => [{ class: name }, counted(`failed ${name}`)]),
    ),
    family(
      "reelq_alarms_total",
      "counter",
      "Alarms: files at risk of expiring, renders overdue.",
      alarms.map((alarm): Sample => [{ alarm }, counted(`alarm ${alarm}`)]),
    ),
    family(
      "reelq_batches",
      "gauge",
      "Batches that are not over, by state.",
      batchStates
        .filter((state) => !isBatchOver(state))
        .map((state): Sample => [{ state }, batches.filter((batch) => batch.state === state).length]),
    ),
    family(
      "reelq_money_usd",
      "gauge",
      "What is set aside for POSTs, charged, and charged as far as anybody knows, in US dollars, ever.",
      moneyAccounts.map((account): Sample => [{ account }, money[account] / microsPerUsd]),
    ),
    family("reelq_webhooks_pending", "gauge", "Webhooks that are being sent or wait for a try.", [
      [{}, counted("webhook pending")],
    ]),
    family(
      "reelq_webhooks_total",
      "counter",
      "Webhooks that ended, by how: delivered, given up (failed), or cancelled with their endpoint.",
      webhookEnds.map((status): Sample => [{ status }, counted(`webhook ${status}`)]),
    ),
  ].join("");
}

function family(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll(/["\\\n]/g, "_")}"`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}
