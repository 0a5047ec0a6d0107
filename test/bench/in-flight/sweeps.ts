import type { Engine } from "@reelq/engine";
import { sweep } from "../../../packages/engine/src/sweep.ts";
import { costBetween, redisCost } from "../frame/redis-cost.ts";
import type { SweepCost } from "./crowd.ts";
import { listenForSlowness, slowestCommands } from "./watch.ts";

/** Lets one sweep pass, as a worker would, where no worker is at work. */
export async function passOnce(engine: Engine): Promise<SweepCost> {
  const { redis, keys, facts } = engine;
  let reminded = 0;
  const count = (swept: { reminded: readonly string[] }): void => {
    reminded += swept.reminded.length;
  };
  facts.on("swept", count);
  // The last worker's sweep keeps others away for a while.
  await redis.del(keys.sweeping);
  const late = await lateOnes(engine);
  await listenForSlowness(redis, 0);
  const before = await redisCost(redis);
  const startedAt = performance.now();
  // Its clock stands still: what becomes late meanwhile is not met too.
  const now = engine.clock.now();
  await sweep({ ...engine, clock: { now: () => now } });
  const ms = performance.now() - startedAt;
  const cost = costBetween(before, await redisCost(redis));
  const [longest = { ms: 0, command: "" }] = await slowestCommands(redis, 1);
  facts.off("swept", count);
  return { ms, commands: cost.commands, late, reminded, longest };
}

const lateOnes = ({ redis, keys, clock, fleet }: Engine): Promise<number> =>
  redis.zcount(keys.due, "-inf", clock.now() - fleet.timings.graceMs);
