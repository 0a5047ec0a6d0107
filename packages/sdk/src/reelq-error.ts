import type { ErrorBody, ProblemCode } from "@reelq/contract";

/**
 * Why the API refused a call, one stable word: those of the contract, and `unknown` for an answer that is not
 * reelq's (a proxy's page). New words may be added.
 */
export type ReelqErrorCode = ProblemCode | "unknown" | (string & {});

/** What the reply's headers said. */
export interface ReplyFacts {
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** The API refused a call. Branch on `code`; the message is for people. */
export class ReelqError extends Error {
  /** HTTP status. */
  readonly status: number;
  readonly code: ReelqErrorCode;
  /** The field at fault, where one is. */
  readonly param: string | null;
  /** What to give to whoever runs the API (`x-request-id`), where the reply named it. */
  readonly requestId: string | undefined;
  /** When the API said that the call may be tried again (`Retry-After`), in milliseconds from the reply on. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, body: ErrorBody["error"], { requestId, retryAfterMs }: ReplyFacts = {}) {
    super(body.message);
    this.name = "ReelqError";
    this.status = status;
    this.code = body.code ?? "unknown";
    this.param = body.param ?? null;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}
