import { mostLines, mostTakes, priorityRange } from "@reelq/contract";
import { z } from "zod";

const text = z.union([z.string(), z.number()]);

const idField = text.describe("The clip's name, which no other of the manifest has; made of its line where left out.");
const promptField = z
  .string()
  .describe("What the video shows. Blocks of `Shot N:`, `duration: Xsec` and `Scene: ...` make a storyboard.");
const referenceField = z
  .union([z.string(), z.strictObject({ image_url: z.string() }), z.strictObject({ file_id: z.string() })])
  .describe(
    "The image that the video starts with: a path, an `https:` address, a `data:` URL or an uploaded file's id.",
  );
const remixField = text.describe("What it is a remix of: another clip's id, or a video's.");

const defaultable = {
  model: z.string().exactOptional().describe("A model of the operator's catalogue."),
  seconds: text.exactOptional().describe("The clip's length in seconds, one of the model's."),
  size: z.string().exactOptional().describe("`WIDTHxHEIGHT` in pixels, one of the model's."),
  reference: referenceField.exactOptional(),
  takes: text.exactOptional().describe(`How many variants are rendered: 1 to ${mostTakes}; 1 where left out.`),
  priority: text
    .exactOptional()
    .describe(`${priorityRange.least} to ${priorityRange.most}, 0 where left out; the higher goes first.`),
  tags: z
    .union([z.string(), z.array(text)])
    .exactOptional()
    .describe("Words to find it by."),
  input_reference: referenceField.exactOptional().describe("The same as `reference`."),
  ref: referenceField.exactOptional().describe("The same as `reference`."),
  image: referenceField.exactOptional().describe("The same as `reference`."),
};

const own = {
  id: idField.exactOptional(),
  custom_id: idField.exactOptional().describe("The same as `id`."),
  ...defaultable,
  remix_of: remixField.exactOptional(),
  remix: remixField.exactOptional().describe("The same as `remix_of`."),
};

const defaultsSchema = z
  .strictObject(defaultable)
  .meta({ id: "defaults" })
  .describe("For every clip that does not say it itself.");

const clipSchema = z
  .union([
    z.strictObject({ ...own, prompt: promptField }),
    z
      .strictObject({
        ...own,
        method: z.literal("POST").exactOptional(),
        url: z.literal("/v1/videos").exactOptional(),
        body: z.strictObject({ ...own, prompt: promptField }).describe("What would be sent to `POST /v1/videos`."),
      })
      .describe("A line of the OpenAI batch shape."),
  ])
  .meta({ id: "clip" })
  .describe("One clip.");

const clips = z.array(clipSchema).min(1).max(mostLines).describe("The clips, in their order.");

const manifest = z
  .union([
    clipSchema,
    z.strictObject({ defaults: defaultsSchema }).describe("The first line of JSONL: the head."),
    z
      .strictObject({ $schema: z.string().exactOptional(), defaults: defaultsSchema.exactOptional(), clips })
      // Where anchors of YAML may stand.
      .meta({ patternProperties: { "^x-": {} } })
      .describe("A whole manifest, in YAML or JSON."),
    clips,
  ])
  .meta({ title: "A reelq manifest" })
  .describe("One line of a JSONL manifest, or a whole one in YAML or JSON.");

/** JSON Schema (draft 2020-12) of a line of JSONL and of a whole manifest in YAML or JSON, for editors. */
export const manifestSchema = (): object => z.toJSONSchema(manifest, { target: "draft-2020-12", io: "input" });
