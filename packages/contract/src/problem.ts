import { z } from "zod";

/** Stable codes of what can be wrong with a call. Callers branch on the code, never on the message. */
export const problemCodes = {
  invalid_value: 400,
  missing_value: 400,
  unknown_field: 400,
  unknown_model: 400,
  invalid_storyboard: 400,
  invalid_image: 400,
  malformed_body: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  rate_limited: 429,
  idempotency_conflict: 409,
  not_ready: 409,
  timeout: 408,
  body_too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  variant_unavailable: 404,
  internal: 500,
  unavailable: 503,
} as const satisfies Record<string, number>;

export type ProblemCode = keyof typeof problemCodes;

/** What each code says, for people. */
export const problemMeanings: Readonly<Record<ProblemCode, string>> = {
  invalid_value: "a field, parameter or header has a value that is not allowed",
  missing_value: "a field that is needed is missing or empty",
  unknown_field: "the body has a field that nobody knows",
  unknown_model: "no such model, or no upstream that serves it",
  invalid_storyboard: "the prompt is a storyboard with mistakes",
  invalid_image: "the reference is no PNG, JPEG or WebP image, or not of the video's size where that is asked for",
  malformed_body: "the body or the path cannot be read",
  unauthorized: "no API key, or one that nobody gave out",
  forbidden: "the API key may not do this, or a page of another site sent it",
  not_found: "there is no such thing, or it is another project's",
  method_not_allowed: "the path is right, the method is not; `Allow` says which are",
  conflict: "the state that something is in does not allow it",
  rate_limited: "the API key has used up its calls; `Retry-After` says when there are more",
  idempotency_conflict: "the Idempotency-Key was used for another request",
  not_ready: "the video is not completed yet",
  timeout: "too little of the body came for too long",
  body_too_large: "the body or the file is too large",
  unsupported_media_type: "the Content-Type is not one that is read here",
  range_not_satisfiable: "the range is outside the file",
  variant_unavailable: "the upstream offered no such picture when the video was stored",
  internal: "a fault of reelq's own, which has been logged",
  unavailable: "Redis or the storage cannot be reached; try again after `Retry-After`",
};

/** One thing that is wrong: the code, a whole sentence, and the field it is about. */
export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  /** The field's name as the caller wrote it; absent where no one field is at fault. */
  readonly param?: string;
}

/** Thrown where a caller's request cannot be done. Carries every problem found, the first one leading. */
export class ProblemError extends Error {
  readonly problems: readonly [Problem, ...Problem[]];

  constructor(problems: readonly [Problem, ...Problem[]], options?: ErrorOptions) {
    super(problems.map(({ message }) => message).join(" "), options);
    this.name = "ProblemError";
    this.problems = problems;
  }

  get code(): ProblemCode {
    return this.problems[0].code;
  }

  /** The HTTP status that goes with the first problem. */
  get status(): number {
    return problemCodes[this.code];
  }
}

export const problem = (code: ProblemCode, message: string, param?: string, options?: ErrorOptions): ProblemError =>
  new ProblemError([param === undefined ? { code, message } : { code, message, param }], options);

/** Judges one of several parts, so that what is wrong with all of them is told at once. @returns undefined where it was wrong */
export function collecting<Value>(problems: Problem[], judge: () => Value): Value | undefined {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/** The error body of the OpenAI shape. */
export const errorBodySchema = z
  .strictObject({
    error: z.strictObject({
      message: z.string().describe("Whole sentences for people: what is wrong, and what would be right."),
      type: z.string().describe("The kind of error in the OpenAI shape."),
      code: z.string().nullable().describe("A stable word: branch on this. New ones may be added."),
      param: z.string().nullable().describe("The field or header at fault, where one is."),
    }),
  })
  .describe("Why a call was refused.");
export type ErrorBody = z.infer<typeof errorBodySchema>;

export function errorBody(error: ProblemError): ErrorBody {
  const [first] = error.problems;
  return {
    error: { message: error.message, type: typeOf(error.status), code: first.code, param: first.param ?? null },
  };
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  if (status >= 500) return "server_error";
  return "invalid_request_error";
}
