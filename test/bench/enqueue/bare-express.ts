import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { asChild } from "../frame/child.ts";
import { fieldsOf } from "./enqueue.ts";

/** As much of Express as is used here; it is the one of the API, whose package is not one of this folder's. */
interface App {
  post(path: string, handle: (request: { body: ReturnType<typeof fieldsOf> }, response: Reply) => Promise<void>): void;
  use(handler: unknown): void;
  listen(port: number, host: string, listening: () => void): Server;
}

interface Reply {
  json(body: unknown): void;
}

type Express = (() => App) & { json(): unknown };

const express = createRequire(new URL("../../../apps/api/package.json", import.meta.url))("express") as Express;

// What one writes in ten minutes: nothing is validated, nobody is known, nothing is remembered.
asChild(async ({ redisUrl }: { readonly redisUrl: string }, parent): Promise<void> => {
  const queue = new Queue("submit", { connection: new Redis(redisUrl, { maxRetriesPerRequest: null }) });
  const app = express();
  app.use(express.json());
  app.post("/v1/videos", async (request, response) => {
    const job = await queue.add("video", request.body, { removeOnComplete: { count: 500 }, attempts: 5 });
    response.json({ id: job.id, object: "video", status: "queued", ...request.body });
  });
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
  });
  parent.tell(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await parent.answer();
});
