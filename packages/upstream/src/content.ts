import { pursue } from "./pursue.ts";
import { addressOf, maxContentJsonBytes, maxJsonBytes, type Server } from "./server.ts";
import type { Content, Upstream } from "./upstream.ts";

type ContentOptions = NonNullable<Parameters<Upstream["content"]>[1]>;

/**
 * Fetches a task's bytes: by the content call, which every server of the contract has, and where that brings none, from
 * the address that the task itself gave, which may be older than the file.
 */
export async function fetchContent(server: Server, task: string, options: ContentOptions): Promise<Content> {
  const { variant, contentUrl, from = 0, etag, signal } = options;
  const isPicture = variant !== undefined && variant !== "video";
  const aim = { resume: { from, etag }, maxJsonBytes: isPicture ? maxJsonBytes : maxContentJsonBytes, signal };
  const call = addressOf(server, "videos", task, "content");
  if (variant !== undefined) call.searchParams.set("variant", variant);
  const called = await pursue(server, call, aim);
  const address = isPicture ? undefined : addressIn(server, contentUrl);
  if (called.kind === "bytes" || !address || signal?.aborted) return called;
  const addressed = await pursue(server, address, aim);
  // A missed call says nothing, so the other answer says more.
  return addressed.kind === "bytes" || called.kind === "missed" ? addressed : called;
}

function addressIn(server: Server, contentUrl: string | undefined): URL | undefined {
  const url = contentUrl === undefined ? null : URL.parse(contentUrl, `${server.settings.base}/`);
  return url && ["http:", "https:"].includes(url.protocol) ? url : undefined;
}
