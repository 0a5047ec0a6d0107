import { createRequire } from "node:module";
import type { Readable } from "node:stream";

// Those that reelq's own packages use, in their versions, so that no counterpart is an older one.
const ofPackage = (name: string): NodeJS.Require => createRequire(import.meta.resolve(name));

interface Undici {
  readonly Agent: new (options: object) => object;
  request(
    url: string,
    options: { readonly dispatcher: object },
  ): Promise<{
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Readable;
  }>;
}

interface S3Sdk {
  readonly S3Client: new (settings: object) => { send(command: object): Promise<unknown>; destroy(): void };
  readonly PutObjectCommand: new (input: object) => object;
}

export const undici = ofPackage("@reelq/upstream")("undici") as Undici;
export const s3Sdk = (): S3Sdk => ofPackage("@reelq/engine")("@aws-sdk/client-s3") as S3Sdk;
