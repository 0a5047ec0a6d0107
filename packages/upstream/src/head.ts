import { once } from "node:events";
import { Readable } from "node:stream";

/**
 * The first bytes of a body, and the body with them put back. Fewer than asked for only where the body is shorter.
 * @throws what the body failed with
 */
export async function peek(body: Readable, bytes: number): Promise<{ head: Buffer; body: Readable }> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const chunk = body.read() as Buffer | null;
    if (chunk !== null) {
      chunks.push(chunk);
      length += chunk.length;
    } else if (body.readableEnded || !(await isReadable(body))) {
      break;
    }
  }
  const head = Buffer.concat(chunks);
  if (body.readableEnded) return { head, body: Readable.from([head], { objectMode: false }) };
  body.unshift(head);
  return { head, body };
}

/** Waits for more; false at the end. */
async function isReadable(body: Readable): Promise<boolean> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    return await Promise.race([
      once(body, "readable", { signal }).then(() => true),
      once(body, "end", { signal }).then(() => false),
      once(body, "close", { signal }).then(() => false),
    ]);
  } finally {
    settled.abort();
  }
}
