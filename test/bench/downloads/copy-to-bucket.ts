import { asChild } from "../frame/child.ts";
import { ownCpuSeconds } from "../frame/cpu.ts";
import type { S3Server } from "../../support/s3-server.ts";
import type { Carried } from "./carried.ts";
import { s3Sdk, undici } from "./libraries.ts";

export interface CopyToBucket {
  readonly copies: readonly { readonly url: string; readonly key: string }[];
  readonly server: S3Server;
}

// All at once, each in one PUT of its length, as it comes: nothing is looked at, nothing could be sent again.
asChild(async ({ copies, server }: CopyToBucket): Promise<Carried> => {
  const { S3Client, PutObjectCommand } = s3Sdk();
  const dispatcher = new undici.Agent({ allowH2: false });
  const client = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    forcePathStyle: true,
    // Its own checksum would come behind a body of unknown length, which Ceph's gateway refuses.
    requestChecksumCalculation: "WHEN_REQUIRED",
    // Of its own, the SDK sends 50 at once.
    requestHandler: { httpAgent: { maxSockets: Infinity } },
  });
  const cpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  await Promise.all(
    copies.map(async ({ url, key }) => {
      const { statusCode, headers, body } = await undici.request(url, { dispatcher });
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}.`);
      await client.send(
        new PutObjectCommand({
          Bucket: server.bucket,
          Key: key,
          Body: body,
          ContentLength: Number(headers["content-length"]),
          ContentType: "video/mp4",
        }),
      );
    }),
  );
  const carried = {
    seconds: (performance.now() - startedAt) / 1_000,
    cpuSeconds: ownCpuSeconds() - cpuBefore,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
  client.destroy();
  return carried;
});
