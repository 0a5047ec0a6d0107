import { StorageError } from "./storage-error.ts";

/** What fits both rooms: S3 allows 1024 bytes with the prefix, most filesystems 255 a name. */
const MAX_KEY_LENGTH = 768;
const MAX_SEGMENT_LENGTH = 200;

const RULE = 'a key is letters, digits, ".", "_" and "-" in segments joined by "/", none of which begins with "."';

/** Throws where a room could not hold the key, or where it would lead out of the room. */
export function requireKey(key: string): void {
  const fault = keyFault(key);
  if (fault) throw new StorageError("invalid_key", `The key ${shown(key)} ${fault}; ${RULE}.`);
}

/** Undefined where the key is sound. */
export function keyFault(key: string): string | undefined {
  if (key === "") return "is empty";
  if (key.length > MAX_KEY_LENGTH) return `is longer than ${MAX_KEY_LENGTH} characters`;
  if (key.startsWith("/")) return "begins with a slash";
  for (const segment of key.split("/")) {
    if (segment === "") return "has an empty segment";
    if (segment.startsWith(".")) return "has a segment that begins with a dot";
    if (segment.length > MAX_SEGMENT_LENGTH) return `has a segment longer than ${MAX_SEGMENT_LENGTH} characters`;
    if (!/^[A-Za-z0-9._-]+$/.test(segment)) return "has a character that keys may not have";
  }
  return undefined;
}

const shown = (key: string): string => JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
