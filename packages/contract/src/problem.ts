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
  idempotency_conflict: 409,
  not_ready: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  variant_unavailable: 404,
  internal: 500,
  unavailable: 503,
} as const satisfies Record<string, number>;

export type ProblemCode = keyof typeof problemCodes;

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

/** The error body of the OpenAI shape. */
export interface ErrorBody {
  error: { message: string; type: string; code: string | null; param: string | null };
}

export function errorBody(error: ProblemError): ErrorBody {
  const [first] = error.problems;
  return {
    error: { message: error.message, type: typeOf(error.status), code: first.code, param: first.param ?? null },
  };
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status >= 500) return "server_error";
  return "invalid_request_error";
}
