import { z } from "zod";
import type { Engine } from "./engine.ts";
import { type FleetConfig, fleetSchema } from "./fleet-config.ts";

const noticeSchema = z.object({ config: fleetSchema });

/**
 * Writes into Redis what producers that share it must know to judge and place a request. API and workers do so at their
 * start; the latest counts. Upstreams' tokens are left out.
 */
export async function noteFleet({ redis, keys, fleet }: Pick<Engine, "redis" | "keys" | "fleet">): Promise<void> {
  // Whoever was told of no upstream knows nothing that others should believe.
  if (fleet.lanes.length === 0) return;
  const { upstreams, ...config } = fleet.config;
  const harmless = Object.fromEntries(
    Object.entries(upstreams).map(([name, entry]) => [name, { ...entry, key: undefined }]),
  );
  await redis.set(keys.fleet, JSON.stringify({ config: { ...config, upstreams: harmless } }));
}

/** Undefined: neither API nor worker was ever started on this Redis. */
export async function readFleetNotice({
  redis,
  keys,
}: Pick<Engine, "redis" | "keys">): Promise<FleetConfig | undefined> {
  const text = await redis.get(keys.fleet);
  return text === null ? undefined : noticeSchema.parse(JSON.parse(text)).config;
}
