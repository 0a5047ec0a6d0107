import type { ErrorBody } from "@reelq/contract";

/** The API refused a call. Branch on `code`; the message is for people. */
export class ReelqError extends Error {
  /** HTTP status. */
  readonly status: number;
  readonly code: string;
  /** The field at fault, where one is. */
  readonly param: string | null;

  constructor(status: number, body: ErrorBody["error"]) {
    super(body.message);
    this.name = "ReelqError";
    this.status = status;
    this.code = body.code ?? "unknown";
    this.param = body.param;
  }
}
