import { problem, type VideoIn } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import { type Fleet, serves } from "../fleet.ts";
import type { Producer } from "../producer.ts";

/**
 * A stored video that a line may remix.
 * @throws ProblemError that names the field `remix_of`
 */
export async function sourceOf(
  id: string,
  caller: Caller,
  producer: Pick<Producer, "read">,
  fleet: Fleet,
): Promise<VideoIn<"stored">> {
  const source = await producer.read(id, caller).catch(() => undefined);
  if (!source) throw problem("not_found", `There is no video ${id}.`, "remix_of");
  if (source.status !== "stored")
    throw problem("not_ready", `${id} is ${source.status}; only a stored video can be remixed.`, "remix_of");
  const { upstream } = source.task;
  if (fleet.capability(upstream, "remix") === false)
    throw problem(
      "conflict",
      `${id} was rendered at ${upstream}, which cannot remix (capabilities in REELQ_CONFIG).`,
      "remix_of",
    );
  if (!serves(fleet, source))
    throw problem("conflict", `${id} lies at ${upstream}, which is no longer configured.`, "remix_of");
  return source;
}
