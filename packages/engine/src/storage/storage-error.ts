/**
 * - `invalid_key`, `invalid_range`, `invalid_settings`: the caller asked for what cannot be
 * - `not_found`: no such object
 * - `no_bucket`, `denied`, `unreachable`, `unusable`: the operator must mend the place; the message says how
 * - `failed`: anything else the place answered
 */
export type StorageErrorCode =
  | "invalid_key"
  | "invalid_range"
  | "invalid_settings"
  | "not_found"
  | "no_bucket"
  | "denied"
  | "unreachable"
  | "unusable"
  | "failed";

/** What a room itself failed with. An error of the body that was put is passed on as it is, never as this. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
