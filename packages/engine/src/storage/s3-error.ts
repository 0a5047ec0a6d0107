import type { S3Client } from "@aws-sdk/client-s3";
import { StorageError, type StorageErrorCode } from "./storage-error.ts";

/** Makes the client throw a StorageError that says what to mend, by the settings' names. */
export function explainErrors(client: S3Client, bucket: string): void {
  client.middlewareStack.add(
    (next, { commandName = "a request" }) =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          throw explain(error, { bucket, request: commandName.replace(/Command$/, "") });
        }
      },
    // Outermost, so that only what outlasted the SDK's own tries is explained.
    { name: "explainErrors", step: "initialize", priority: "high" },
  );
}

interface Asked {
  readonly bucket: string;
  readonly request: string;
}

function explain(error: unknown, asked: Asked): unknown {
  if (!(error instanceof Error) || error.name === "AbortError") return error;
  const [code, sentence] = byName(error.name, asked) ?? byStatus(error, asked) ?? byCause(error);
  return new StorageError(code, sentence, error);
}

type Diagnosis = [StorageErrorCode, string];

/** By the error codes of S3. */
function byName(name: string, { bucket }: Asked): Diagnosis | undefined {
  switch (name) {
    case "NoSuchKey":
    case "NotFound":
      return ["not_found", `There is no such object in the bucket "${bucket}".`];
    case "InvalidRange":
      return ["invalid_range", "The range does not lie inside the object."];
    case "NoSuchUpload":
      return ["not_found", "The upload is gone: something else ended it before it was finished."];
    case "NoSuchBucket":
      return ["no_bucket", `The bucket "${bucket}" of STORAGE_URL does not exist: create it, or correct STORAGE_URL.`];
    case "InvalidAccessKeyId":
      return ["denied", "The S3 server does not know the access key: check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL_S3."];
    case "SignatureDoesNotMatch":
      return ["denied", "The S3 server found the signature wrong: check AWS_SECRET_ACCESS_KEY."];
    case "ExpiredToken":
    case "InvalidToken":
      return ["denied", "The S3 server refused the session token: renew AWS_SESSION_TOKEN and the keys beside it."];
    case "CredentialsProviderError":
      return ["denied", "There are no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."];
    case "AuthorizationHeaderMalformed":
    case "PermanentRedirect":
    case "IllegalLocationConstraintException":
      return ["unusable", elsewhere(bucket)];
  }
  return undefined;
}

/** Without ListBucket, Amazon says "denied" of an object that is not there. */
const LEAVE = ["GetObject", "PutObject", "DeleteObject", "ListBucket", "AbortMultipartUpload"]
  .map((action) => `s3:${action}`)
  .join(", ");

/** The answer to a HEAD has no body that could carry a code. */
function byStatus(error: Error, { bucket, request }: Asked): Diagnosis | undefined {
  const status = statusOf(error);
  if (status === undefined) return undefined;
  if (status === 301) return ["unusable", elsewhere(bucket)];
  if (status === 401 || status === 403) {
    return ["denied", `${request} is denied in the bucket "${bucket}": the user of AWS_ACCESS_KEY_ID needs ${LEAVE}.`];
  }
  const doubt = status < 500 ? "; is AWS_ENDPOINT_URL_S3 an S3 server?" : ".";
  return ["failed", `The S3 server answered ${request} with ${status} ${error.name}${doubt}`];
}

function byCause(error: Error): Diagnosis {
  if (error.message.startsWith("Region is missing")) return ["unusable", "There is no S3 region: set AWS_REGION."];
  const cause = "code" in error ? String(error.code) : error.message;
  return ["unreachable", `No S3 server could be reached: check AWS_ENDPOINT_URL_S3 and AWS_REGION (${cause}).`];
}

const elsewhere = (bucket: string): string => `The bucket "${bucket}" is in another region: set AWS_REGION to its own.`;

function statusOf(error: Error): number | undefined {
  if (!("$metadata" in error)) return undefined;
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode;
}
