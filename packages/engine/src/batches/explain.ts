import type { VideoIn } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { laneName } from "../lane.ts";
import { obstacleOf, sayObstacle } from "../obstacle.ts";
import { span } from "../span.ts";
import { stretchOf } from "./gate.ts";
import { isHeld, lanesOfPool, poolOf } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import { openBatchStore } from "./store.ts";

/** Why a clip waits in its batch, in one plain sentence, and when it goes on by itself, ms since 1970. */
export interface ParkedSaid {
  readonly sentence: string;
  readonly nextAt?: number;
  /** Clips of its pool that go first. */
  readonly ahead?: number;
}

export async function sayParked(video: VideoIn<"queued">, engine: Engine): Promise<ParkedSaid> {
  const store = openBatchStore(engine);
  const batch = video.batch && (await store.read(video.batch.id));
  if (!batch || !video.batch) return { sentence: "It waits in a batch that is gone; cancel it." };
  const where = `It is clip ${video.batch.number} of the batch ${batch.name} (${batch.id})`;
  if (isHeld(video)) return { sentence: `${where}, and ${await saySource(video, batch, engine)}.` };
  const stopped = sayStopped(batch);
  if (stopped !== undefined) return { sentence: `${where}, which ${stopped}.` };
  if ((await engine.redis.exists(engine.keys.batchKeeper)) === 0)
    return { sentence: `${where}, and no worker runs the submit stage, which lets clips go.` };
  const now = engine.clock.now();
  const stretch = stretchOf(batch, now);
  if (stretch && !stretch.isOpen)
    return {
      sentence: `${where}, whose window ${batch.window ?? ""} opens in about ${span(stretch.opensAt - now)}.`,
      nextAt: stretch.opensAt,
    };
  const ahead = (await engine.redis.zrank(engine.keys.batchPool(batch.id, poolOf(video)), video.id)) ?? 0;
  const why = video.waiting?.detail === undefined ? "" : `; last time, ${video.waiting.detail}`;
  const turn = `${ahead === 0 ? "it is the next one of its batch" : `${ahead} clips of its batch go first`}${await sayOthers(batch, engine)}`;
  return { sentence: `${where}: ${turn}; ${await sayLanes(video, engine)}${why}.`, ahead };
}

function sayStopped({ state, why, canaryState, sendable, id }: BatchRecord): string | undefined {
  if (state === "paused") return `is paused: ${why.replace(/\.$/, "")}; \`reelq batch resume ${id}\` goes on`;
  if (state !== "running") return `is ${state}${why === "" ? "" : `: ${why.replace(/\.$/, "")}`}`;
  if (canaryState === "running" && (sendable ?? 1) <= 0) return "waits until its first clips are verified";
  return undefined;
}

async function saySource(video: VideoIn<"queued">, batch: BatchRecord, engine: Engine): Promise<string> {
  const number = video.batch?.source ?? 0;
  const clip = (await openBatchStore(engine).clips(batch.id, [number])).get(number);
  const source = clip && (await engine.ledger.read(clip.video));
  const state = source ? `is ${source.status.replace("_", " ")}` : "is gone";
  const end = source?.status === "failed" ? "; `reelq batch retry` sends that again, and this one follows it" : "";
  return `the clip that it remixes, ${clip?.customId ?? number} (${clip?.video ?? "unknown"}), ${state}${end}`;
}

/** Whoever else wants the same lanes has its turns too. */
async function sayOthers(batch: BatchRecord, engine: Engine): Promise<string> {
  const others = (await openBatchStore(engine).open()).filter(
    ({ id, state, counts }) => id !== batch.id && state === "running" && counts.queued > 0,
  );
  if (others.length === 0) return "";
  const higher = others.filter(({ priority }) => priority > batch.priority).length;
  const count = others.length === 1 ? "one other batch has" : `${others.length} other batches have`;
  return `, and ${count} clips that wait${higher > 0 ? ` (${higher} of a higher priority)` : ""}`;
}

async function sayLanes(video: VideoIn<"queued">, { fleet, ledger }: Engine): Promise<string> {
  const lanes = lanesOfPool(poolOf(video), fleet);
  const states = await ledger.laneStates(lanes);
  const said = states.map((state) => {
    const obstacle = obstacleOf(state, fleet.limitsOf(state.lane));
    return `in ${laneName(state.lane)} ${obstacle ? sayObstacle(obstacle, state.lane.upstream) : "nothing is in the way"}`;
  });
  return said.length === 0 ? "no lane serves it" : said.join(", ");
}
