import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { misfitOf, problem, type Problem, ProblemError, type Reference } from "@reelq/contract";
import { imageSize } from "image-size";
import type { Storage } from "./storage/storage.ts";

/** The largest reference image, in bytes. */
export const maxReferenceBytes = 20 * 1024 * 1024;

const imageTypes: Readonly<Record<string, string>> = { png: "image/png", jpg: "image/jpeg", webp: "image/webp" };

/**
 * Judges an uploaded reference by its own bytes, whatever its name or declared type say.
 * @param param the field to name in a problem
 * @throws ProblemError
 */
export function judgeReference(bytes: Uint8Array, param: string): Reference {
  const refuse = (code: Problem["code"], message: string) => new ProblemError([{ code, message, param }]);
  if (bytes.byteLength === 0) throw refuse("invalid_image", `${param} is empty; send a PNG, JPEG or WebP image.`);
  if (bytes.byteLength > maxReferenceBytes)
    throw refuse("body_too_large", `${param} has ${bytes.byteLength} bytes; at most ${maxReferenceBytes} are allowed.`);
  const measured = measure(bytes);
  const contentType = measured?.type === undefined ? undefined : imageTypes[measured.type];
  if (!measured || !contentType) {
    throw refuse(
      "invalid_image",
      `${param} is not an image that can be read${measured?.type ? ` (it is ${measured.type})` : ""}; send a PNG, JPEG or WebP image.`,
    );
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { sha256, bytes: bytes.byteLength, contentType, width: measured.width, height: measured.height };
}

/** Refuses an image whose dimensions are not the video's. */
export function judgeFit(reference: Reference, size: string): void {
  const misfit = misfitOf(reference, size);
  if (misfit !== undefined)
    throw problem("invalid_image", `${misfit}; send it in the video's size.`, "input_reference");
}

function measure(bytes: Uint8Array): { type?: string; width: number; height: number } | undefined {
  try {
    const { type, width, height } = imageSize(bytes);
    return width > 0 && height > 0 ? { ...(type === undefined ? {} : { type }), width, height } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the image under its own hash: the same image twice is one object. */
export async function keepReference(storage: Storage, reference: Reference, bytes: Uint8Array): Promise<void> {
  const key = referenceKey(reference);
  const known = await storage.head(key);
  if (known?.bytes === reference.bytes) return;
  await storage.put(key, Readable.from([bytes]), { contentType: reference.contentType });
}

/** The image as the upstream is sent it; undefined if it is gone. */
export async function readReference(storage: Storage, reference: Reference) {
  const object = await storage.get(referenceKey(reference));
  if (!object) return undefined;
  return {
    bytes: await buffer(object.body),
    contentType: reference.contentType,
    filename: `reference.${extensionOf(reference)}`,
  };
}

const extensionOf = ({ contentType }: Reference): string =>
  Object.entries(imageTypes).find(([, type]) => type === contentType)?.[0] ?? "bin";

const referenceKey = (reference: Reference): string => `references/${reference.sha256}.${extensionOf(reference)}`;
