import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { HashedBlock } from "./take-in.ts";

/** S3's smallest part. Its 10,000 parts of it are 48 GiB. */
export const partBytes = 5 * 1024 * 1024;

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
 * Writes blocks of unknown number: in one request where they fit into a part, else as a multipart upload,
 * which is taken back if anything goes wrong. Not the SDK's own `Upload`: that one cannot end a request which is
 * under way, and reports an abort before it has cleaned up.
 */
export async function upload(
  client: S3Client,
  target: Target,
  blocks: AsyncIterable<HashedBlock>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = signal ? { abortSignal: signal } : {};
  const parts: CompletedPart[] = [];
  let multipart: Multipart | undefined;
  try {
    for await (const { bytes, isLast, sha256 } of blocks) {
      if (isLast && !multipart) {
        await client.send(hashed(new PutObjectCommand({ ...target, Body: bytes }), sha256), options);
        return;
      }
      multipart ??= await begin(client, target);
      const PartNumber = parts.length + 1;
      const part = hashed(new UploadPartCommand({ ...multipart, PartNumber, Body: bytes }), sha256);
      const { ETag } = await client.send(part, options);
      parts.push({ PartNumber, ETag });
    }
    if (!multipart) return;
    await client.send(new CompleteMultipartUploadCommand({ ...multipart, MultipartUpload: { Parts: parts } }), options);
  } catch (error) {
    if (multipart) await abandon(client, multipart);
    throw error;
  }
}

/** Signs the command with what is known of its body already: the SDK would hash it once more, on this thread. */
function hashed<Command extends PutObjectCommand | UploadPartCommand>(command: Command, sha256: string): Command {
  // Their stacks differ in what the commands say, of which nothing is looked at here.
  const stack = command.middlewareStack as PutObjectCommand["middlewareStack"];
  stack.add(
    (next) => (call) => {
      (call.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
      return next(call);
    },
    { step: "build", name: "knownSha256" },
  );
  return command;
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
