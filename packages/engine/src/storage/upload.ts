import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";

/** S3's smallest part. One is what each upload holds in memory; S3's 10,000 parts of it are 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024;

/** How long taking back a failed upload may hold up the news of the failure. */
const ABANDON_TIMEOUT_MS = 10_000;

interface Target {
  readonly Bucket: string;
  readonly Key: string;
  readonly ContentType: string;
}

interface Multipart {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

/**
 * Writes chunks of unknown total length: in one request where they fit into a part, else as a multipart upload,
 * which is taken back if anything goes wrong. Not the SDK's own `Upload`: that one cannot end a request which is
 * under way, and reports an abort before it has cleaned up.
 */
export async function upload(
  client: S3Client,
  target: Target,
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = signal ? { abortSignal: signal } : {};
  const parts: CompletedPart[] = [];
  let multipart: Multipart | undefined;
  try {
    for await (const { bytes, isLast } of inParts(chunks)) {
      if (isLast && !multipart) {
        await client.send(new PutObjectCommand({ ...target, Body: bytes }), options);
        return;
      }
      multipart ??= await begin(client, target);
      const PartNumber = parts.length + 1;
      const { ETag } = await client.send(new UploadPartCommand({ ...multipart, PartNumber, Body: bytes }), options);
      parts.push({ PartNumber, ETag });
    }
    if (!multipart) return;
    await client.send(new CompleteMultipartUploadCommand({ ...multipart, MultipartUpload: { Parts: parts } }), options);
  } catch (error) {
    if (multipart) await abandon(client, multipart);
    throw error;
  }
}

/** Full parts and a last one, which may be empty. A part's bytes are valid until the next one is asked for. */
async function* inParts(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ bytes: Buffer; isLast: boolean }> {
  const part = Buffer.allocUnsafeSlow(PART_BYTES);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length;) {
      if (filled === PART_BYTES) {
        yield { bytes: part, isLast: false };
        filled = 0;
      }
      const copied = chunk.copy(part, filled, taken);
      filled += copied;
      taken += copied;
    }
  }
  yield { bytes: part.subarray(0, filled), isLast: true };
}

/** Without the signal: an upload whose id never arrived could not be taken back. */
async function begin(client: S3Client, target: Target): Promise<Multipart> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  return { Bucket: target.Bucket, Key: target.Key, UploadId };
}

async function abandon(client: S3Client, multipart: Multipart): Promise<void> {
  try {
    const abortSignal = AbortSignal.timeout(ABANDON_TIMEOUT_MS);
    await client.send(new AbortMultipartUploadCommand(multipart), { abortSignal });
  } catch {
    // The failure that led here matters more; `abandonUploads` finds what is left.
  }
}
