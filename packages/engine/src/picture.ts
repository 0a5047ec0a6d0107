import type { Judge } from "./storage/storage.ts";

/** The pictures that are kept, by the extension of their keys. */
export type PictureType = "webp" | "jpg" | "png";

/**
 * WebP and JPEG are the contract's, PNG is what some gateways send instead. AVIF is none of them: it begins as an
 * MP4 does, and an MP4 is what servers send that do not know `variant`.
 */
export const pictureTypes: Readonly<Record<PictureType, string>> = {
  webp: "image/webp",
  jpg: "image/jpeg",
  png: "image/png",
};

/** How long a picture may be: a sprite sheet of a minute's film has a few hundred kilobytes. */
export const maxPictureBytes = 10 * 1024 * 1024;

/** The picture that the first twelve bytes announce; undefined: none that is kept. */
export function pictureTypeOf(head: Uint8Array): PictureType | undefined {
  const text = Buffer.from(head).toString("latin1");
  if (/^RIFF....WEBP/s.test(text)) return "webp";
  if (text.startsWith("\xff\xd8\xff")) return "jpg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  return undefined;
}

/** Encoders may put a few bytes behind a picture's end. */
const tailBytes = 64;

/**
 * Judges a picture's bytes: there may be no more than `maxPictureBytes` of them, and the picture's own end must be
 * among them. Memory: the head and the tail.
 */
export class PictureJudge implements Judge {
  readonly #type: PictureType;
  #bytes = 0;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);

  constructor(type: PictureType) {
    this.#type = type;
  }

  see(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > maxPictureBytes) throw new Error(`The picture has more than ${maxPictureBytes} bytes.`);
    if (this.#head.length < 8) this.#head = Buffer.concat([this.#head, bytes.subarray(0, 8)]);
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-tailBytes)]).subarray(-tailBytes);
  }

  end(): void {
    if (!this.#isWhole()) throw new Error(`The picture is cut off after ${this.#bytes} bytes.`);
  }

  #isWhole(): boolean {
    // RIFF says its length in front; JPEG ends with EOI, PNG with IEND and its checksum.
    if (this.#type === "webp") return this.#head.length >= 8 && this.#bytes >= this.#head.readUInt32LE(4) + 8;
    return this.#tail.includes(this.#type === "jpg" ? "\xff\xd9" : "IEND\xaeB`\x82", 0, "latin1");
  }
}
