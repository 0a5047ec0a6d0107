import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { clip } from "../../../apps/simulator/src/clips.ts";
import { instantSize } from "../frame/instant.ts";

/** When things happened at the upstream, in ms of `performance.now()` of this process. */
interface Watched {
  /** The first POST had come whole. */
  readonly postedAt: number;
  /** From here on whoever looks is told "completed". */
  readonly completedAt: number;
  /** The first look that was told so came. */
  seenAt?: number;
}

/** An upstream in this process that notes when it is asked what, by the prompt. */
export interface WatchedUpstream {
  readonly url: string;
  readonly watched: ReadonlyMap<string, Watched>;
  /** POSTs that came a second time. */
  repeats(): number;
  close(): void;
}

/** @param renderMs undefined: it refuses what it is asked for, and that is its end */
export async function startUpstream(renderMs: (prompt: string) => number | undefined): Promise<WatchedUpstream> {
  const film = Buffer.from(await clip(instantSize, 1));
  const watched = new Map<string, Watched>();
  const tasks = new Map<string, Watched>();
  let repeats = 0;

  function create(body: string): Answer {
    const postedAt = performance.now();
    const prompt = promptIn(body);
    if (watched.has(prompt)) repeats += 1;
    const ms = renderMs(prompt);
    const one: Watched = { postedAt, completedAt: postedAt + (ms ?? Infinity) };
    watched.set(prompt, one);
    if (ms === undefined) return { status: 400, json: { error: { code: "invalid_value", message: "Not this one." } } };
    const id = `task_${tasks.size + 1}`;
    tasks.set(id, one);
    return { status: 200, json: { id, object: "video", status: "queued" } };
  }

  function look(id: string): Answer {
    const lookedAt = performance.now();
    const task = tasks.get(id);
    if (!task) return { status: 404, json: { error: { code: "not_found", message: "There is no such task." } } };
    if (lookedAt < task.completedAt) return { status: 200, json: { id, object: "video", status: "in_progress" } };
    task.seenAt ??= lookedAt;
    return { status: 200, json: { id, object: "video", status: "completed" } };
  }

  async function answer({ method, url = "" }: IncomingMessage, body: () => Promise<string>): Promise<Answer> {
    if (method === "POST") return create(await body());
    const [, id = "", rest = ""] = /^\/v1\/videos\/([^/?]+)(\/content)?/.exec(url) ?? [];
    return rest === "" ? look(id) : { status: 200, film };
  }

  const server = createServer(async (request, response) => {
    const reply = await answer(request, () => text(request));
    const [type, bytes] =
      "film" in reply
        ? ["video/mp4", reply.film]
        : ["application/json", Buffer.from(JSON.stringify(reply.json), "utf8")];
    response.writeHead(reply.status, { "content-type": type, "content-length": bytes.length }).end(bytes);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    watched,
    repeats: () => repeats,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

type Answer =
  | { readonly status: number; readonly json: object }
  | { readonly status: number; readonly film: Buffer<ArrayBuffer> };

/** As it stands in a form, or in JSON. */
function promptIn(body: string): string {
  const [, prompt] = /name="prompt"[^]*?\r\n\r\n([^\r]*)\r\n/.exec(body) ?? /"prompt":\s*"([^"]*)"/.exec(body) ?? [];
  if (prompt === undefined) throw new Error(`There is no prompt in ${body.slice(0, 200)}`);
  return prompt;
}
