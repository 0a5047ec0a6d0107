import { z } from "zod";
import { seedCatalogue } from "./catalogue.ts";
import { maxPromptLength } from "./request.ts";

/** What the official SDK's retries, a person's second thought and our own clients may send; RFC 9110's visible characters. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/)
  .describe("1 to 255 printable ASCII characters without spaces.");

const [firstModel] = Object.values(seedCatalogue);

const promptSchema = z
  .string()
  .min(1)
  .max(maxPromptLength)
  .describe("What the video shows. Blocks of `Shot N:`, `duration: Xsec` and `Scene: ...` make a storyboard.");

/** The catalogue is the operator's: no model is known here. */
const modelSchema = z
  .string()
  .describe("A model of the operator's catalogue; `sora-2` where left out.")
  .meta({ examples: Object.keys(seedCatalogue) });

const sizeSchema = z
  .string()
  .describe("`WIDTHxHEIGHT` in pixels, one of the model's; the model's own where left out.")
  .meta({ examples: firstModel?.sizes ?? [] });

const secondsText = z
  .string()
  .describe("The clip's length, one of the model's; the model's own where left out.")
  .meta({ examples: firstModel?.seconds.map(String) ?? [] });

const secondsSchema = z
  .union([z.string(), z.number()])
  .describe("The clip's length in seconds, one of the model's; the model's own where left out.")
  .meta({ examples: firstModel?.seconds.map(String) ?? [] });

/** An image that the video starts with, by where it is. */
export const referenceBodySchema = z
  .union([
    z.strictObject({
      image_url: z
        .string()
        .max(30_000_000)
        .describe("An `https:` address, which is fetched at once, or a `data:` URL."),
    }),
    z.strictObject({
      file_id: z
        .string()
        .regex(/^file_/)
        .describe("Of a file that was uploaded with `POST /v1/files`."),
    }),
    z.string().describe("The same as `image_url`."),
  ])
  .describe("The image that the video starts with: PNG, JPEG or WebP, at most 20 MiB.");

/** What reelq knows and the OpenAI shape does not. */
export const createOptionsSchema = z
  .strictObject({
    webhook_url: z
      .string()
      .max(2_048)
      .exactOptional()
      .describe(
        "Is told of this video's fate; signed with the API key's own secret (`GET /v1/webhook_endpoints/signing_secret`).",
      ),
  })
  .describe("What reelq knows and the OpenAI shape does not.");

/** The JSON body of `POST /v1/videos`. A field that is null counts as left out. */
export const videoCreateSchema = z
  .strictObject({
    prompt: promptSchema,
    model: modelSchema.exactOptional(),
    seconds: secondsSchema.exactOptional(),
    size: sizeSchema.exactOptional(),
    input_reference: referenceBodySchema.exactOptional(),
    reelq: createOptionsSchema.exactOptional(),
  })
  .describe("What to render.");
export type VideoCreateBody = z.infer<typeof videoCreateSchema>;

/** The form that `POST /v1/videos` takes. */
export const videoCreateFormSchema = z
  .strictObject({
    prompt: promptSchema,
    model: modelSchema.exactOptional(),
    seconds: secondsText.exactOptional(),
    size: sizeSchema.exactOptional(),
    input_reference: z
      .file()
      .exactOptional()
      .describe(
        'The image that the video starts with: PNG, JPEG or WebP, at most 20 MiB. Instead of a file, the text `{"image_url": "..."}` or `{"file_id": "..."}`, or the part `input_reference[image_url]` or `input_reference[file_id]`.',
      ),
    reelq: z
      .string()
      .exactOptional()
      .describe('JSON: `{"webhook_url": "https://..."}`; or the part `reelq[webhook_url]`.'),
  })
  .describe("What to render, as a form.");

export const videoRemixSchema = z
  .strictObject({ prompt: promptSchema, reelq: createOptionsSchema.exactOptional() })
  .describe("What is to be different; model, length and size are the source's.");

export const videoRemixFormSchema = z
  .strictObject({ prompt: promptSchema, reelq: videoCreateFormSchema.shape.reelq })
  .describe("What is to be different, as a form.");

export const videoCancelSchema = z.strictObject({
  abandon: z
    .boolean()
    .exactOptional()
    .describe("true throws away what is paid for already; a queued video is cancelled without it."),
});

export const videoRetrySchema = z.strictObject({
  insist: z
    .boolean()
    .exactOptional()
    .describe("true pays for another attempt where `reelq.failure.retry` says `insist`."),
});

/** Exactly one of the three. */
export const videoResolveSchema = z
  .union([
    z.strictObject({ task: z.string().min(1).describe("The upstream's id of its task: it goes on with that.") }),
    z.strictObject({
      resubmit: z.literal(true).describe("Nothing was created, or paying twice is better than waiting."),
    }),
    z.strictObject({ fail: z.literal(true).describe("It is given up.") }),
  ])
  .describe("A person's word on a doubt.");
