import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { asChild, inChild } from "../frame/child.ts";
import { filmOf } from "./film.ts";

/** What the server tells once it listens. */
export interface Films {
  /** Up to and with `/v1`. */
  readonly url: string;
  /** Of each film; they are all the same one. */
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Lets something use an upstream that has a film of this many bytes for every task; in a process of its own. */
export async function withFilms<Result>(bytes: number, use: (films: Films) => Promise<Result>): Promise<Result> {
  const listening = Promise.withResolvers<Films>();
  let stop: () => void = () => undefined;
  const ended = inChild<void>(import.meta.url, bytes, {
    onTold(told, answer) {
      stop = () => answer("stop");
      listening.resolve(told as Films);
    },
  });
  ended.catch(listening.reject);
  try {
    return await use(await listening.promise);
  } finally {
    stop();
    await ended.catch(() => undefined);
  }
}

/** Where the upstream has the film of a task. */
export const contentOf = ({ url }: Films, task: string): string => `${url}/videos/${task}/content`;

if (process.argv[1] === import.meta.filename)
  asChild(async (length: number, parent): Promise<void> => {
    const { bytes, sha256 } = await filmOf(length);
    const server = createServer((request, response) => {
      if (request.url?.endsWith("/content")) {
        response.writeHead(200, { "content-type": "video/mp4", "content-length": bytes.length }).end(bytes);
      } else response.writeHead(404).end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    parent.tell({ url: `http://127.0.0.1:${port}/v1`, bytes: bytes.length, sha256 } satisfies Films);
    await parent.answer();
    server.closeAllConnections();
  });
