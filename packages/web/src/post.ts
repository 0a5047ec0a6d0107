import { deadlineIn } from "./deadline.ts";
import { exchange, header, isEncoded, type Reply, type Ways } from "./exchange.ts";
import { judgeAddress } from "./judge-url.ts";
import { readRetryAfter } from "./retry-after.ts";
import type { Posted, PostOptions } from "./web.ts";

const mostBytes = 1024;

export async function post(ways: Ways, given: string, options: PostOptions): Promise<Posted> {
  const url = judgeAddress(given, ways.allow);
  const deadline = deadlineIn(options.timeoutMs, url.host, options.signal);
  const headers = { "user-agent": "reelq", "accept-encoding": "identity", ...options.headers };
  try {
    return await exchange(
      ways,
      url,
      { method: "POST", headers, body: options.body },
      deadline.signal,
      async (reply) => {
        const retryAfterMs = readRetryAfter(header(reply.headers, "retry-after"), ways.now());
        const body = isEncoded(reply) ? "" : await readHead(reply);
        return { status: reply.status, ...(retryAfterMs !== undefined && { retryAfterMs }), body };
      },
    );
  } finally {
    deadline.clear();
  }
}

/** What came of the body until its end, the limit or the deadline: with the status, the answer itself is there. */
async function readHead({ body }: Reply): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if ((bytes += chunk.length) >= mostBytes) break;
    }
  } catch {
    // What came before is all there is.
  }
  // As a stream: a character that is cut in two is left out.
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, mostBytes), { stream: true });
}
