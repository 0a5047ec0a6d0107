import type { Problem } from "@reelq/contract";

/** Some of many that were to be accepted together are wrong; none was accepted. */
export class RefusedItemsError extends Error {
  override readonly name = "RefusedItemsError";
  readonly code = "refused_items";
  /** What is wrong with each that is, by its place in the list, from 0. */
  readonly refused: ReadonlyMap<number, readonly [Problem, ...Problem[]]>;

  constructor(count: number, refused: ReadonlyMap<number, readonly [Problem, ...Problem[]]>) {
    const [first] = refused;
    const example = first ? ` The first is item ${first[0]}: ${first[1].map(({ message }) => message).join(" ")}` : "";
    super(`${refused.size} of ${count} items are wrong, so none was accepted.${example}`);
    this.refused = refused;
  }
}
