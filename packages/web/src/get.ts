import { deadlineIn } from "./deadline.ts";
import { exchange, header, isEncoded, type Reply, type Ways } from "./exchange.ts";
import { judgeAddress } from "./judge-url.ts";
import type { GetOptions, Got } from "./web.ts";
import { WebError } from "./web-error.ts";

const redirects = [301, 302, 303, 307, 308];

export async function get(ways: Ways, given: string, options: GetOptions): Promise<Got> {
  const { maxBytes, timeoutMs, maxRedirects = 3 } = options;
  const first = judgeAddress(given, ways.allow);
  const headers = { accept: options.accept ?? "*/*", "accept-encoding": "identity", "user-agent": "reelq" };
  const deadline = deadlineIn(timeoutMs, first.host, options.signal);
  try {
    let url = first;
    for (let followed = 0; ; followed += 1) {
      const { host, href } = url;
      const outcome = await exchange(ways, url, { method: "GET", headers }, deadline.signal, async (reply) => {
        const location = redirects.includes(reply.status) ? header(reply.headers, "location") : undefined;
        return location ?? { ...(await take(reply, host, maxBytes)), url: href };
      });
      if (typeof outcome !== "string") return outcome;
      if (followed >= maxRedirects) {
        const message = `${first.host} redirects more than ${maxRedirects} times; give the address that it ends at.`;
        throw new WebError("too_many_redirects", message, { host: first.host });
      }
      url = judgeRedirect(url, outcome, ways);
    }
  } finally {
    deadline.clear();
  }
}

function judgeRedirect(from: URL, location: string, { allow }: Ways): URL {
  const { host } = from;
  const url = URL.parse(location, from.href);
  if (!url) {
    throw new WebError("invalid_url", `${host} redirects to what is not a URL; give the address that it should be.`, {
      host,
    });
  }
  const judged = judgeAddress(url.href, allow);
  if (from.protocol === "https:" && judged.protocol !== "https:") {
    throw new WebError("not_https", `${host} redirects from https to http; give the https address that it ends at.`, {
      host,
    });
  }
  return judged;
}

async function take(reply: Reply, host: string, maxBytes: number): Promise<Omit<Got, "url">> {
  const { status, headers, body } = reply;
  if (status < 200 || status > 299) {
    const message = `${host} answers with HTTP ${status}; give an address that answers with 200 and without log-in.`;
    throw new WebError("bad_status", message, { host, status });
  }
  if (isEncoded(reply)) {
    const message = `${host} sends a compressed reply that was not asked for; give an address that does not.`;
    throw new WebError("encoded", message, { host });
  }
  const tooLarge = () =>
    new WebError("too_large", `${host} sends more than the ${maxBytes} bytes that are allowed.`, { host });
  if (Number(header(headers, "content-length") ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), contentType: header(headers, "content-type") };
}
