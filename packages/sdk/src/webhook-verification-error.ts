/** What is wrong with a webhook message, or with what it was judged by: one stable word. */
export type WebhookVerificationCode =
  | "missing_header"
  | "bad_timestamp"
  | "too_old"
  | "too_new"
  | "bad_signature"
  | "bad_secret"
  | "bad_body";

/** A webhook message is not to be believed: answer it with 400, and do nothing that it says. */
export class WebhookVerificationError extends Error {
  readonly code: WebhookVerificationCode;

  constructor(code: WebhookVerificationCode, message: string) {
    super(message);
    this.name = "WebhookVerificationError";
    this.code = code;
  }
}
