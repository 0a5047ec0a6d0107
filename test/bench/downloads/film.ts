import { createHash, randomFillSync } from "node:crypto";
import { clip } from "../../../apps/simulator/src/clips.ts";
import { instantSize } from "../frame/instant.ts";

export interface Film {
  readonly bytes: Buffer;
  /** Hex. */
  readonly sha256: string;
}

/** A real clip whose last box, the media data, is padded until the file is of this length. */
export async function filmOf(length: number): Promise<Film> {
  const short = Buffer.from(await clip(instantSize, 1));
  const mediaAt = lastBox(short);
  const bytes = randomFillSync(Buffer.allocUnsafeSlow(length), short.length);
  short.copy(bytes);
  bytes.writeUInt32BE(length - mediaAt, mediaAt);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Where it begins; ISO/IEC 14496-12. */
function lastBox(mp4: Buffer): number {
  let at = 0;
  for (let next = 0; next < mp4.length; next += mp4.readUInt32BE(at)) at = next;
  const type = mp4.toString("latin1", at + 4, at + 8);
  if (type !== "mdat") throw new Error(`The clip ends with a box of type ${type}, which cannot be padded.`);
  return at;
}
