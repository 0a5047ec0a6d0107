import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type MultipartUpload,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { sharedMemory } from "./block-memory.ts";
import { requireKey } from "./key.ts";
import { writeReadDelete } from "./probe.ts";
import { requireInside } from "./range.ts";
import { explainErrors } from "./s3-error.ts";
import type { ByteRange, PutOptions, Storage, StoredObject } from "./storage.ts";
import { StorageError } from "./storage-error.ts";
import { takeIn } from "./take-in.ts";
import { partBytes, upload } from "./upload.ts";

export interface S3Settings {
  readonly bucket: string;
  /** Put before every key, without slashes at its ends; empty for none. */
  readonly prefix: string;
  /** Of a server that is not Amazon's. */
  readonly endpoint?: string | undefined;
  /** Default: what the SDK finds in its own chain; `us-east-1` where an endpoint is given. */
  readonly region?: string | undefined;
  /** Without them the SDK's own chain is asked: profiles, web identity, container and instance roles. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** The bucket in the path instead of in the host name. Default: where an endpoint is given. */
  readonly forcePathStyle?: boolean | undefined;
}

const SECOND = 1000;

/** Of all uploads together: more would be memory without speed. */
const partsAtOnce = 8;

/** A body that comes at a few MB a second holds no place. */
const fillWithinMs = 2 * SECOND;

/** Keeps objects in a bucket of Amazon S3 or of any server that speaks its protocol. */
export function openS3(settings: S3Settings): Storage {
  return new S3Room(settings);
}

class S3Room implements Storage {
  readonly place: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #client: S3Client;
  readonly #memory = sharedMemory(partBytes, partsAtOnce, fillWithinMs);

  constructor(settings: S3Settings) {
    this.place = `s3://${[settings.bucket, settings.prefix].filter(Boolean).join("/")}`;
    this.#bucket = settings.bucket;
    this.#prefix = settings.prefix && `${settings.prefix}/`;
    this.#client = connect(settings);
    explainErrors(this.#client, settings.bucket);
  }

  async put(key: string, body: Readable, { contentType, signal, judge }: PutOptions) {
    return takeIn(body, { memory: this.#memory, blocks: 1, hashesBlocks: true }, { signal, judge }, async (parts) => {
      const target = { ...this.#address(key), ContentType: contentType };
      await upload(this.#client, target, parts, signal);
    });
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const found = await orMissing(this.#client.send(new HeadObjectCommand(this.#address(key))));
    return found && describe(found, found.ContentLength ?? 0);
  }

  async get(key: string, range?: ByteRange) {
    const { Bucket, Key } = this.#address(key);
    // A server ignores a range that makes no sense, and sends everything.
    if (range) requireInside(range);
    const Range = range && `bytes=${range.start}-${range.end}`;
    const found = await orMissing(this.#client.send(new GetObjectCommand({ Bucket, Key, Range })));
    if (!found) return undefined;
    const { Body: body } = found;
    if (!(body instanceof Readable)) throw new TypeError("The S3 client gave a body that is no stream.");
    try {
      const bytes = totalBytes(found.ContentRange) ?? found.ContentLength ?? 0;
      if (range) requireInside(range, bytes);
      return { ...describe(found, bytes), body };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#address(key)));
  }

  async presign(key: string, seconds: number): Promise<string> {
    return getSignedUrl(this.#client, new GetObjectCommand(this.#address(key)), { expiresIn: seconds });
  }

  async probe(): Promise<void> {
    await writeReadDelete(this);
  }

  async abandonUploads(before: number): Promise<number> {
    let abandoned = 0;
    for await (const { Key, UploadId, Initiated } of this.#unfinishedUploads()) {
      if (!Initiated || Initiated.getTime() >= before) continue;
      await orMissing(this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId })));
      abandoned += 1;
    }
    return abandoned;
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #address(key: string): { Bucket: string; Key: string } {
    requireKey(key);
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async *#unfinishedUploads(): AsyncGenerator<MultipartUpload> {
    let KeyMarker: string | undefined;
    let UploadIdMarker: string | undefined;
    do {
      const page = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: this.#prefix, KeyMarker, UploadIdMarker }),
      );
      yield* page.Uploads ?? [];
      KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
      UploadIdMarker = page.IsTruncated ? page.NextUploadIdMarker : undefined;
    } while (KeyMarker);
  }
}

function connect(settings: S3Settings): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey, sessionToken } = settings;
  return new S3Client({
    ...(endpoint && { endpoint, region: "us-east-1" }),
    ...(region && { region }),
    ...(accessKeyId &&
      secretAccessKey && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
    forcePathStyle: settings.forcePathStyle ?? Boolean(endpoint),
    // Servers that are not Amazon's do not all know the newer checksums; our own sha256 is in the record.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // A part sent again is cheaper than a video fetched again.
    maxAttempts: 5,
    requestHandler: {
      connectionTimeout: 5 * SECOND,
      socketTimeout: 60 * SECOND,
      // With the default of 50, bodies that clients read slowly would hold up every put.
      httpAgent: { maxSockets: Infinity },
      httpsAgent: { maxSockets: Infinity },
    },
  });
}

const describe = (
  found: { ContentType?: string | undefined; ETag?: string | undefined },
  bytes: number,
): StoredObject => ({
  bytes,
  contentType: found.ContentType ?? "application/octet-stream",
  etag: found.ETag ?? "",
});

/** Of `bytes 0-9/1234`: the length of the whole object. */
function totalBytes(contentRange: string | undefined): number | undefined {
  const total = contentRange?.match(/\/(\d+)$/)?.[1];
  return total === undefined ? undefined : Number(total);
}

async function orMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof StorageError && error.code === "not_found") return undefined;
    throw error;
  }
}
