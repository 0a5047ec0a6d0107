import type { Reelq } from "@reelq/sdk";

/** What the commands of a batch share. */
export interface BatchTools {
  readonly client: () => Reelq;
  /** The batch's page for a browser. */
  readonly pageOf: (id: string) => string;
}
