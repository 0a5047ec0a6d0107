/** Who calls. */
export interface Caller {
  readonly project: string;
  /** The id of the API key that it came with: idempotency keys are each API key's own. */
  readonly key: string;
  /** Sees every project's. */
  readonly isAdmin: boolean;
}
