import type { Readable } from "node:stream";

/** What is known of a stored object. */
export interface StoredObject {
  /** Of the whole object, also where only a range of it was asked for. */
  readonly bytes: number;
  /** A folder goes by the key's extension, a bucket by what was said in the put. */
  readonly contentType: string;
  /** A validator for HTTP, quotes included. Changes with every put in a folder, with the bytes in a bucket. */
  readonly etag: string;
}

/** A part of an object's bytes, both ends inclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Looks at a body while it is put. What it throws, the put fails with. */
export interface Judge {
  /** Sees all bytes once, in their order. They are valid during the call only. */
  see(bytes: Buffer): void;
  /** They were all; nothing is committed yet. */
  end(): void;
}

export interface PutOptions {
  readonly contentType: string;
  readonly signal?: AbortSignal | undefined;
  readonly judge?: Judge | undefined;
}

/**
 * Where files are kept. Keys are `a/b/c.ext`: segments of letters, digits, `.`, `_` and `-`, none of which begins
 * with a dot. A put is all or nothing: if the body fails or is cut off, the key holds what it held before, and no
 * unfinished upload stays behind. Two puts of one key at once end in one whole object.
 *
 * What the room itself fails with is a `StorageError`; its `code` says whose turn it is.
 */
export interface Storage {
  /** For people: the place without its secrets, like `s3://bucket/prefix` or `file:/srv/videos`. */
  readonly place: string;
  /**
   * Streams the body into the object; memory stays flat whatever its length. Throws what the body failed with, or
   * the signal's reason, as they are. However it ends, the body is spent or destroyed.
   */
  put(
    key: string,
    body: Readable,
    options: PutOptions,
  ): Promise<{ readonly bytes: number; /** Hex. */ readonly sha256: string }>;
  /** Undefined where there is no such object. */
  head(key: string): Promise<StoredObject | undefined>;
  /**
   * Undefined where there is no such object. `range` must lie inside the object. The body holds a file or a socket
   * until it is read to its end or destroyed.
   */
  get(key: string, range?: ByteRange): Promise<(StoredObject & { readonly body: Readable }) | undefined>;
  /** Removing what is not there is fine. */
  remove(key: string): Promise<void>;
  /** A URL that serves the object without credentials for a while; undefined where the room cannot. */
  presign(key: string, seconds: number): Promise<string | undefined>;
  /** Throws with a plain sentence if the room cannot be written, read and deleted in. */
  probe(): Promise<void>;
  /** Ends uploads that nobody finished and that began before the given time (ms since 1970); says how many. */
  abandonUploads(before: number): Promise<number>;
  close(): Promise<void>;
}
