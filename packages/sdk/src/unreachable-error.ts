/**
 * Nothing answered at the API's address: nobody listens there, the reply was lost, or it did not come in time.
 * Whether the call took effect is not known, unless it brought an idempotency key: repeat it with the same one.
 */
export class UnreachableError extends Error {
  readonly code = "unreachable";
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`Nothing answered at ${url}.`, { cause });
    this.name = "UnreachableError";
    this.url = url;
  }
}
