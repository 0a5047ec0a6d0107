import { isVideoId, type PlaceInBatch, type VideoId } from "@reelq/contract";
import { z } from "zod";

const videoId = z.custom<VideoId>((value) => typeof value === "string" && isVideoId(value), "not a video id");

/** One take of one line of a batch, as the HASH of its clips holds it. */
const clipSchema = z.object({
  line: z.number().int().positive(),
  customId: z.string(),
  take: z.number().int().positive(),
  video: videoId,
  /** `new`: a video of this batch. `reused`: it was stored before. `shared`: another batch has it rendered. */
  origin: z.enum(["new", "reused", "shared"]),
  renderKey: z.string(),
  /** Of one that another batch has rendered, whose record does not say it: what its own line says. */
  priority: z.number().int().optional(),
  tags: z.array(z.string()).optional(),
  /** The number of the clip that it remixes. */
  source: z.number().int().positive().optional(),
  /** It is done without. */
  waived: z.literal(true).optional(),
  /** The videos whose place it took, the oldest first. */
  before: z.array(videoId).optional(),
});
export type Clip = z.infer<typeof clipSchema>;

/** Always the same text for the same clip: scripts compare it. */
export const writeClip = (clip: Clip): string => JSON.stringify(clipSchema.parse(clip));

export const readClip = (text: string): Clip => clipSchema.parse(JSON.parse(text));

/** What is kept of its line with a clip whose record is another batch's. */
export const lineOf = ({ priority, tags, source }: PlaceInBatch): Pick<Clip, "priority" | "tags" | "source"> => ({
  priority,
  tags,
  ...(source === undefined ? {} : { source }),
});
