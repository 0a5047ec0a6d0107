import type { Response } from "express";

/** A call that is refused, as a value: what to answer and why. */
export class Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { param?: string; headers?: Record<string, string> } = {},
  ) {
    this.status = status;
    this.code = code;
    this.message = message;
    this.param = more.param ?? null;
    this.headers = more.headers ?? {};
  }
}

/** Answers in the OpenAI error shape. */
export function refuse(response: Response, refusal: Refusal): void {
  const { status, code, message, param, headers } = refusal;
  response
    .status(status)
    .set(headers)
    .json({ error: { message, type: typeOf(status, code), param, code } });
}

function typeOf(status: number, code: string): string {
  if (code === "insufficient_quota") return "insufficient_quota";
  if (status === 401) return "authentication_error";
  if (status === 402) return "billing_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
