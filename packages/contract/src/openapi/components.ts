import { z } from "zod";
import {
  batchBodySchema,
  batchChangeSchema,
  batchCreateSchema,
  batchForecastSchema,
  batchListBodySchema,
  batchOptionsSchema,
  batchPlanBodySchema,
  batchRetriedBodySchema,
  batchRetrySchema,
  batchWaivedBodySchema,
  batchWaiveSchema,
  clipBodySchema,
  clipListBodySchema,
} from "../batch-body.ts";
import { eventBodySchema } from "../event.ts";
import { explanationBodySchema } from "../explanation.ts";
import { liveBodySchema, readyBodySchema } from "../health-body.ts";
import { errorBodySchema } from "../problem.ts";
import {
  createOptionsSchema,
  referenceBodySchema,
  videoCancelSchema,
  videoCreateFormSchema,
  videoCreateSchema,
  videoRemixFormSchema,
  videoRemixSchema,
  videoResolveSchema,
  videoRetrySchema,
} from "../request-body.ts";
import { uploadBodySchema, uploadDeletedBodySchema, uploadFormSchema, uploadListBodySchema } from "../upload-body.ts";
import {
  pictureBodySchema,
  reelqBodySchema,
  storedFileBodySchema,
  videoBodySchema,
  videoDeletedBodySchema,
  videoListBodySchema,
} from "../video-body.ts";
import {
  webhookDeliveryBodySchema,
  webhookDeliveryListBodySchema,
  webhookEndpointBodySchema,
  webhookEndpointCreateSchema,
  webhookEndpointDeletedBodySchema,
  webhookEndpointListBodySchema,
  webhookEndpointUpdateSchema,
  webhookRotationSchema,
  webhookSecretBodySchema,
  type WebhookTestBody,
} from "../webhook.ts";

const webhookTestBodySchema = eventBodySchema
  .extend({
    type: z.literal("webhook.test"),
    data: z.strictObject({ id: z.string(), object: z.literal("webhook_endpoint") }),
  })
  .describe("An event that tells of nothing: somebody tries a webhook endpoint.") satisfies z.ZodType<WebhookTestBody>;

/** What the API answers, by the names that the document gives it. */
export const replySchemas = {
  Video: videoBodySchema,
  Reelq: reelqBodySchema,
  StoredFile: storedFileBodySchema,
  Picture: pictureBodySchema,
  VideoList: videoListBodySchema,
  VideoDeleted: videoDeletedBodySchema,
  Explanation: explanationBodySchema,
  Batch: batchBodySchema,
  BatchList: batchListBodySchema,
  BatchPlan: batchPlanBodySchema,
  BatchForecast: batchForecastSchema,
  BatchRetried: batchRetriedBodySchema,
  BatchWaived: batchWaivedBodySchema,
  Clip: clipBodySchema,
  ClipList: clipListBodySchema,
  File: uploadBodySchema,
  FileList: uploadListBodySchema,
  FileDeleted: uploadDeletedBodySchema,
  Event: eventBodySchema,
  WebhookTestEvent: webhookTestBodySchema,
  WebhookEndpoint: webhookEndpointBodySchema,
  WebhookEndpointList: webhookEndpointListBodySchema,
  WebhookEndpointDeleted: webhookEndpointDeletedBodySchema,
  WebhookSecret: webhookSecretBodySchema,
  WebhookDelivery: webhookDeliveryBodySchema,
  WebhookDeliveryList: webhookDeliveryListBodySchema,
  Error: errorBodySchema,
  Live: liveBodySchema,
  Ready: readyBodySchema,
} satisfies Record<string, z.ZodType>;

/** What the API is sent. */
export const requestSchemas = {
  VideoCreate: videoCreateSchema,
  VideoCreateForm: videoCreateFormSchema,
  VideoRemix: videoRemixSchema,
  VideoRemixForm: videoRemixFormSchema,
  Reference: referenceBodySchema,
  CreateOptions: createOptionsSchema,
  VideoCancel: videoCancelSchema,
  VideoRetry: videoRetrySchema,
  VideoResolve: videoResolveSchema,
  BatchCreate: batchCreateSchema,
  BatchOptions: batchOptionsSchema,
  BatchChange: batchChangeSchema,
  BatchRetry: batchRetrySchema,
  BatchWaive: batchWaiveSchema,
  FileForm: uploadFormSchema,
  WebhookEndpointCreate: webhookEndpointCreateSchema,
  WebhookEndpointUpdate: webhookEndpointUpdateSchema,
  WebhookRotation: webhookRotationSchema,
} satisfies Record<string, z.ZodType>;

export type ReplyName = keyof typeof replySchemas;
export type RequestName = keyof typeof requestSchemas;

/** A reference to a part of the document that stands in one place. */
export const refTo = (kind: "schemas" | "parameters" | "headers" | "responses", name: string) => ({
  $ref: `#/components/${kind}/${name}`,
});

/** Every body as JSON Schema 2020-12. */
export function componentSchemas(): Readonly<Record<string, unknown>> {
  return { ...jsonSchemasOf(requestSchemas, "input"), ...jsonSchemasOf(replySchemas, "output") };
}

function jsonSchemasOf(schemas: Readonly<Record<string, z.ZodType>>, io: "input" | "output") {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const { schemas: made } = z.toJSONSchema(registry, {
    target: "draft-2020-12",
    io,
    uri: (id) => refTo("schemas", id).$ref,
    override: ({ jsonSchema, path }) => {
      mend(jsonSchema, io);
      if (io === "input" && path.at(-1) === "seconds") jsonSchema.description += ` ${lengthsOfTheSdk}`;
    },
  });
  return Object.fromEntries(
    Object.entries(made).map(([id, { $id: _id, $schema: _schema, ...schema }]) => [id, schema]),
  );
}

const lengthsOfTheSdk =
  "The official SDK's TypeScript types allow only `'4' | '8' | '12'`; what is allowed is the model's.";

/** Takes out what is so by itself, and what a reader of replies must not rely on. */
function mend(schema: z.core.JSONSchema.BaseSchema, io: "input" | "output"): void {
  // What is answered may have more fields one day; what is sent may not.
  if (io === "output") delete schema.additionalProperties;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.format === "date-time") delete schema.pattern;
  if (schema.contentEncoding === "binary") {
    delete schema.contentEncoding;
    schema.contentMediaType = "application/octet-stream";
  }
}
