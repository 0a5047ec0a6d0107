import { z } from "zod";
import { pageOf, unixTimeSchema } from "./video-body.ts";

/** An uploaded file as the HTTP API shows it: the OpenAI shape. */
export const uploadBodySchema = z
  .strictObject({
    id: z.string().describe("`file_` and a UUIDv7."),
    object: z.literal("file"),
    bytes: z.int().nonnegative(),
    created_at: unixTimeSchema,
    expires_at: z.null().describe("Always null: a file stays until it is deleted."),
    filename: z.string().describe("What its sender calls it."),
    purpose: z.string(),
    status: z.literal("processed"),
  })
  .describe("An uploaded file.");
export type UploadBody = z.infer<typeof uploadBodySchema>;

export const uploadListBodySchema = pageOf(uploadBodySchema).describe("A page of files.");
export type UploadListBody = z.infer<typeof uploadListBodySchema>;

export const uploadDeletedBodySchema = z.strictObject({
  id: z.string(),
  object: z.literal("file"),
  deleted: z.literal(true),
});

/** The form of `POST /v1/files`. */
export const uploadFormSchema = z.strictObject({
  file: z.file().describe("At most 200 MiB."),
  purpose: z
    .enum(["vision", "user_data", "batch", "batch_output", "assistants", "fine-tune", "evals"])
    .describe("`vision` for a reference image."),
});
