import { resolve } from "node:path";
import { openFolder } from "./folder.ts";
import { keyFault } from "./key.ts";
import { openS3 } from "./s3.ts";
import type { Storage } from "./storage.ts";
import { StorageError } from "./storage-error.ts";

/** The standard settings of AWS tools, as the process found them. They matter for `s3://` only. */
export interface AwsSettings {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly region?: string | undefined;
  /** Of a server that is not Amazon's: `AWS_ENDPOINT_URL_S3`. */
  readonly endpoint?: string | undefined;
}

/**
 * Opens the room that STORAGE_URL names; nothing is touched before the first call.
 * @param url `file:./videos`, `file:/srv/videos`, `file:///srv/videos` or `s3://bucket/prefix`
 * @param baseDir what a relative `file:` is relative to
 * @throws StorageError `invalid_settings`, with a sentence that names the setting and never quotes its value
 */
export function openStorage(url: string, aws: AwsSettings, baseDir: string = process.cwd()): Storage {
  if (url.startsWith("file:")) return openFolder({ path: resolve(baseDir, pathOf(url)) });
  if (url.startsWith("s3://")) return openS3({ ...placeOf(url), ...checked(aws) });
  throw wrongUrl();
}

const wrongUrl = () =>
  invalid("STORAGE_URL must be file:./videos (from here), file:/srv/videos (from the root) or s3://bucket/prefix.");

function pathOf(url: string): string {
  const path = url.slice("file:".length).replace(/^\/\/(?=\/)/, "");
  // What follows two slashes would be a host.
  if (path === "" || path.startsWith("//")) throw wrongUrl();
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid('STORAGE_URL has a "%" that stands for nothing; write %25 for the character itself.');
  }
}

function placeOf(url: string): { bucket: string; prefix: string } {
  const [bucket = "", ...rest] = url.slice("s3://".length).split("/");
  const prefix = rest.join("/").replace(/\/$/, "");
  if (bucket.includes("@"))
    throw invalid("STORAGE_URL must not hold credentials; they go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket)) {
    throw invalid("STORAGE_URL has no valid bucket name; it must be s3://bucket/prefix.");
  }
  const fault = prefix === "" ? undefined : keyFault(prefix);
  if (fault) throw invalid(`The prefix in STORAGE_URL ${fault}; it must be like the one in s3://bucket/team/videos.`);
  return { bucket, prefix };
}

function checked(aws: AwsSettings): AwsSettings {
  if (aws.accessKeyId && !aws.secretAccessKey)
    throw invalid("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not.");
  if (!aws.accessKeyId && aws.secretAccessKey)
    throw invalid("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not.");
  if (aws.endpoint && !isHttpUrl(aws.endpoint))
    throw invalid("AWS_ENDPOINT_URL_S3 must be an http:// or https:// address.");
  return aws;
}

const isHttpUrl = (text: string): boolean => /^https?:\/\//.test(text) && URL.canParse(text);

const invalid = (message: string) => new StorageError("invalid_settings", message);
