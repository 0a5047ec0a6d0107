/** What a body's first bytes are: a media container, JSON, markup, or nothing known. */
export type Nature = "media" | "json" | "markup" | "unknown";

/** As many bytes as `natureOf` looks at. */
export const sniffBytes = 64;

export function natureOf(head: Uint8Array): Nature {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (isMedia(bytes)) return "media";
  const text = bytes
    .toString("utf8")
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (/^[{[]/.test(text)) return "json";
  return text.startsWith("<") ? "markup" : "unknown";
}

// The first box of an MP4 or QuickTime file: its length, then one of these.
const boxes: ReadonlySet<string> = new Set(["ftyp", "styp", "moov", "mdat", "free", "skip", "wide", "pnot"]);

// EBML (WebM, Matroska), Ogg, FLV, MPEG program stream, and the images of thumbnails and sprite sheets.
const magics = ["1a45dfa3", "4f676753", "464c5601", "000001ba", "89504e47", "ffd8ff", "47494638"];

function isMedia(bytes: Buffer): boolean {
  const hex = bytes.toString("hex", 0, 8);
  if (magics.some((magic) => hex.startsWith(magic))) return true;
  if (boxes.has(bytes.toString("latin1", 4, 8))) return true;
  return bytes.toString("latin1", 0, 4) === "RIFF" && /^(AVI |WEBP)$/.test(bytes.toString("latin1", 8, 12));
}
