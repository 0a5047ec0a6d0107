import { batchOperations } from "./batches.ts";
import { componentSchemas, type ReplyName, refTo, type RequestName } from "./components.ts";
import { eventOperations } from "./events.ts";
import { bodyExamples, videoExample } from "./examples.ts";
import { fileOperations } from "./files.ts";
import { type Operation, type Reply, tags } from "./operation.ts";
import { type ParameterName, parameters } from "./parameters.ts";
import { problemExample } from "./problem-examples.ts";
import { serviceOperations } from "./service.ts";
import { videoOperations } from "./videos.ts";
import { webhookCalls, webhookHeaders, webhookOperations } from "./webhooks.ts";
import { type ProblemCode, problemCodes, problemMeanings } from "../problem.ts";

/** Every call of the HTTP API. */
export const operations: readonly Operation[] = [
  ...videoOperations,
  ...batchOperations,
  ...fileOperations,
  ...eventOperations,
  ...webhookOperations,
  ...serviceOperations,
];

/** The API's description as OpenAPI 3.1. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly webhooks: Readonly<Record<string, unknown>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [part: string]: unknown;
}

/** Writes the document anew; its bodies, codes and examples are those of the code. */
export function openApiDocument(): OpenApiDocument {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) (paths[operation.path] ??= {})[operation.method] = callOf(operation);
  return {
    openapi: "3.1.1",
    info: {
      title: "reelq",
      version: "1.0.0",
      summary: "A dependable queue in front of a paid, slow, forgetful video API.",
      description:
        "Hand it prompts, get verified files in your own bucket or folder. Accepted is durable, and a POST is never repeated blindly: one whose reply was lost is settled by what the upstream lists, or waits for a person, unless the operator chose `REELQ_IN_DOUBT=resubmit`.\n\nThe calls have the shape of OpenAI's Videos API: an unmodified OpenAI SDK with another base URL works. What that shape has no place for is in the `reelq` object. Replies may have more fields one day; bodies with fields that nobody knows are refused. Every reply has an `X-Request-Id`, which names the call in the log.\n\nThe short of it is in [llms.txt](/llms.txt).",
      license: { name: "MIT", identifier: "MIT" },
    },
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    security: [{ apiKey: [] }],
    paths,
    webhooks: webhookCalls(),
    components: {
      securitySchemes: {
        apiKey: {
          type: "http",
          scheme: "bearer",
          description:
            "An API key, made with `reelq keys create NAME`. It belongs to a project and sees only that one's videos; an admin's sees all. Where nobody made a key, the API listens on loopback only and asks for none.",
        },
      },
      schemas: withExamples(componentSchemas()),
      parameters: { ...parameters, ...webhookHeaders },
      headers,
      responses: Object.fromEntries(sharedProblems.map((code) => [responseName(code), problemsReply([code])])),
    },
  };
}

/** What every call of a door can be refused for, answered alike everywhere. */
const sharedProblems = ["unauthorized", "forbidden", "rate_limited", "internal", "unavailable"] as const;

/** Codes that a call can be refused with. */
export function problemsOf({ path, body, door = "key", errors = [] }: Operation): readonly ProblemCode[] {
  const isPath = path.includes("{");
  const ofDoor: Readonly<Record<typeof door, readonly ProblemCode[]>> = {
    key: sharedProblems,
    admin: ["unauthorized", "forbidden", "internal", "unavailable"],
    open: [],
  };
  // Only a path with something to decode in it can be one that cannot be decoded.
  return [
    ...new Set([
      ...errors,
      ...(isPath ? ["malformed_body" as const] : []),
      ...(body ? ["timeout" as const] : []),
      ...ofDoor[door],
    ]),
  ];
}

function callOf(operation: Operation): object {
  const { id, tag, summary, description, door = "key", path, body } = operation;
  const taken = [...parametersOfPath(path, id), ...(operation.parameters ?? [])];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(door === "open" ? { security: [] } : {}),
    ...(taken.length === 0 ? {} : { parameters: taken.map((name) => refTo("parameters", name)) }),
    ...(body === undefined ? {} : { requestBody: { required: !body.isOptional, content: contentOf(body) } }),
    responses: { ...repliesOf(operation), ...refusalsOf(operation) },
  };
}

function parametersOfPath(path: string, id: string): readonly ParameterName[] {
  const named: Readonly<Record<string, ParameterName>> = {
    files: "FileId",
    webhook_endpoints: "EndpointId",
    batches: "BatchId",
  };
  const group = /^\/(?:v1\/)?(\w+)\//.exec(path)?.[1] ?? "";
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => {
    if (name === "delivery") return "DeliveryId";
    return id === "remixVideo" ? "SourceId" : (named[group] ?? "VideoId");
  });
}

const contentOf = ({ json, form }: { readonly json?: RequestName; readonly form?: RequestName }) => ({
  ...(json === undefined ? {} : { "application/json": { schema: refTo("schemas", json) } }),
  ...(form === undefined ? {} : { "multipart/form-data": { schema: refTo("schemas", form) } }),
});

const repliesOf = ({ replies, door = "key" }: Operation) =>
  Object.fromEntries(Object.entries(replies).map(([status, reply]) => [status, replyOf(reply, door === "key")]));

function replyOf(reply: Reply, isCounted: boolean): object {
  const named = [...(reply.headers ?? []), "RequestId", ...(isCounted ? ["RateLimit", "RateLimitPolicy"] : [])];
  return {
    description: reply.description,
    headers: Object.fromEntries(
      named.map((name) => [headerNames[name as keyof typeof headerNames], refTo("headers", name)]),
    ),
    ...("json" in reply
      ? {
          content: {
            "application/json": {
              schema: refTo("schemas", reply.json),
              ...(reply.shows === undefined ? {} : { example: videoExample(reply.shows) }),
            },
          },
        }
      : {}),
    ...("type" in reply
      ? {
          content: {
            [reply.type]: {
              ...(reply.schema === undefined ? {} : { schema: reply.schema }),
              ...(reply.example === undefined ? {} : { example: reply.example }),
            },
          },
        }
      : {}),
  };
}

/** The refusals of a call by their HTTP status. */
function refusalsOf(operation: Operation): Readonly<Record<string, object>> {
  const byStatus = Map.groupBy(problemsOf(operation), (code) => problemCodes[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const [only, ...others] = codes;
      const isShared =
        only !== undefined &&
        others.length === 0 &&
        operation.door !== "admin" &&
        (sharedProblems as readonly string[]).includes(only);
      return [String(status), isShared ? refTo("responses", responseName(only)) : problemsReply(codes, operation)];
    }),
  );
}

const responseName = (code: ProblemCode): string =>
  code.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

function problemsReply(codes: readonly ProblemCode[], operation?: Operation): object {
  const shown = codes.map((code) => [code, problemExample(code, operation)] as const);
  const isLater = codes.some((code) => code === "rate_limited" || code === "unavailable");
  return {
    description: codes.map((code) => `\`${code}\`: ${problemMeanings[code]}.`).join("\n\n"),
    headers: {
      "X-Request-Id": refTo("headers", "RequestId"),
      ...(isLater ? { "Retry-After": refTo("headers", "RetryAfter") } : {}),
    },
    content: {
      "application/json": {
        schema: {
          allOf: [
            refTo("schemas", "Error" satisfies ReplyName),
            { type: "object", properties: { error: { type: "object", properties: { code: { enum: codes } } } } },
          ],
        },
        ...(shown.length === 1
          ? { example: shown[0]?.[1] }
          : { examples: Object.fromEntries(shown.map(([code, value]) => [code, { value }])) }),
      },
    },
  };
}

const withExamples = (schemas: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const example = bodyExamples[name];
      return [name, example === undefined ? schema : { ...(schema as object), examples: [example] }];
    }),
  );

const headerNames = {
  RequestId: "X-Request-Id",
  RateLimit: "RateLimit",
  RateLimitPolicy: "RateLimit-Policy",
  RetryAfter: "Retry-After",
  IdempotentReplayed: "Idempotent-Replayed",
  Location: "Location",
  ETag: "ETag",
  ContentRange: "Content-Range",
  AcceptRanges: "Accept-Ranges",
} as const;

const header = (description: string, example?: string) => ({
  description,
  schema: { type: "string" },
  ...(example === undefined ? {} : { example }),
});

const headers: { readonly [Name in keyof typeof headerNames]: object } = {
  RequestId: header("Names this call in the log.", "req_6f1c7d0e-2f64-4b59-9f0e-0c1f3f1b7a55"),
  RateLimit: header(
    "Calls that are left, and the seconds until there are more; where calls are limited.",
    '"calls";r=59;t=60',
  ),
  RateLimitPolicy: header("Calls allowed, and in how many seconds.", '"calls";q=60;w=60'),
  RetryAfter: header("Seconds.", "2"),
  IdempotentReplayed: header("`true`: the same request came before, and this is its video.", "true"),
  Location: header("Where the bytes are."),
  ETag: header("The SHA-256 of the bytes, in quotes."),
  ContentRange: header("Which bytes these are.", "bytes 0-1023/5242880"),
  AcceptRanges: header("`bytes`.", "bytes"),
};
