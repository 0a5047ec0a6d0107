import { once } from "node:events";
import { finished } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Request, Response } from "express";
import type { FaultRule } from "./faults.ts";
import { Refusal, refuse } from "./refusal.ts";

const maxSliceBytes = 64 * 1024;

/** Bytes to serve, in parts that follow each other. */
export interface Served {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly contentType: string;
  readonly etag: string;
}

export interface Delivered {
  readonly bytes: number;
  /** Whether the last byte was sent, and all before it that were asked for. */
  readonly whole: boolean;
}

interface Stretch {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** Sends the bytes, or the range asked for, in the manner of the rule that struck. */
export async function deliver(
  request: Request,
  response: Response,
  served: Served,
  { ranges, rule }: { ranges: boolean; rule?: FaultRule | undefined },
): Promise<Delivered> {
  const nothing = { bytes: 0, whole: false };
  response.set({ etag: served.etag, "content-type": served.contentType });
  if (ranges) response.set("accept-ranges", "bytes");
  if (request.headers["if-none-match"] === served.etag) {
    response.status(304).end();
    return nothing;
  }
  const stretch = ranges ? stretchOf(request, served) : wholeOf(served);
  if (stretch instanceof Refusal) {
    refuse(response, stretch);
    return nothing;
  }
  const { from, to } = stretch;
  if (to - from < served.bytes) response.status(206).set("content-range", `bytes ${from}-${to - 1}/${served.bytes}`);
  if (!isChunked(rule)) response.set("content-length", String(to - from));
  if (request.method === "HEAD") {
    response.end();
    return nothing;
  }
  return send(response, served, stretch, rule);
}

const wholeOf = ({ bytes }: Served): Stretch => ({ from: 0, to: bytes });

function stretchOf(request: Request, served: Served): Stretch | Refusal {
  const ifRange = request.headers["if-range"];
  if (ifRange !== undefined && ifRange !== served.etag) return wholeOf(served);
  const ranges = request.range(served.bytes);
  if (ranges === -1)
    return new Refusal(416, "range_not_satisfiable", "The range asked for lies behind the end.", {
      headers: { "content-range": `bytes */${served.bytes}` },
    });
  // Several ranges, another unit or none that can be read: the whole, as RFC 9110 allows.
  if (!Array.isArray(ranges) || ranges.type !== "bytes" || ranges.length !== 1) return wholeOf(served);
  const [range] = ranges;
  return range ? { from: range.start, to: range.end + 1 } : wholeOf(served);
}

const isChunked = (rule: FaultRule | undefined): boolean =>
  rule?.do === "no_length" || (rule?.do === "truncate" && rule.with.silent === true);

async function send(response: Response, served: Served, stretch: Stretch, rule?: FaultRule): Promise<Delivered> {
  const { from, to } = stretch;
  const cuts = rule?.do === "truncate" || rule?.do === "stall";
  const last = cuts ? Math.min(to, from + (rule.with.bytes ?? Math.floor((to - from) / 2))) : to;
  const bytesPerSecond = rule?.do === "slow" ? rule.with.bytesPerSecond : undefined;
  const left = new AbortController();
  response.once("close", () => left.abort());
  let bytes = 0;
  try {
    response.flushHeaders();
    for (const slice of slices(served.parts, from, last, sliceBytes(bytesPerSecond))) {
      if (bytesPerSecond !== undefined)
        await delay((slice.length / bytesPerSecond) * 1000, undefined, { signal: left.signal });
      if (!response.write(slice)) await once(response, "drain", { signal: left.signal });
      bytes += slice.length;
    }
    if (rule?.do === "stall") await once(response, "close");
    else if (rule?.do === "truncate" && !isChunked(rule)) response.socket?.destroySoon();
    else {
      response.end();
      await finished(response);
    }
    return { bytes, whole: !cuts && to === served.bytes };
  } catch {
    // The client left.
    return { bytes, whole: false };
  }
}

const sliceBytes = (bytesPerSecond = Infinity): number =>
  Math.max(1, Math.min(maxSliceBytes, Math.floor(bytesPerSecond / 10)));

function* slices(parts: readonly Uint8Array[], from: number, to: number, maxBytes: number): Generator<Uint8Array> {
  let partStart = 0;
  for (const part of parts) {
    let at = Math.max(from, partStart);
    const end = Math.min(to, partStart + part.length);
    while (at < end) {
      const next = Math.min(end, at + maxBytes);
      yield part.subarray(at - partStart, next - partStart);
      at = next;
    }
    partStart += part.length;
  }
}
