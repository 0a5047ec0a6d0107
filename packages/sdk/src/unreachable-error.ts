/** Nothing answered at the API's address. */
export class UnreachableError extends Error {
  readonly code = "unreachable";
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`Nothing answered at ${url}.`, { cause });
    this.name = "UnreachableError";
    this.url = url;
  }
}
