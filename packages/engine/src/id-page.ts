import type { Redis } from "ioredis";

export interface IdPageOptions {
  /** The last id of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
}

/**
 * A page of the ids in sorted sets whose scores are all 0, so ordered by id, which is by age. Ids, not offsets, so that
 * pages stay true while what they list comes and goes.
 */
export async function readIdPage(
  redis: Redis,
  indexes: readonly string[],
  { after, limit, order }: IdPageOptions,
): Promise<{ readonly ids: string[]; readonly hasMore: boolean }> {
  const found = await Promise.all(
    indexes.map((index) =>
      order === "asc"
        ? redis.zrange(index, after ? `(${after}` : "-", "+", "BYLEX", "LIMIT", 0, limit + 1)
        : redis.zrange(index, after ? `(${after}` : "+", "-", "BYLEX", "REV", "LIMIT", 0, limit + 1),
    ),
  );
  // Each index is in order, so the first of them all are among the first of each.
  const ids = found.flat().sort();
  if (order === "desc") ids.reverse();
  return { ids: ids.slice(0, limit), hasMore: ids.length > limit };
}
