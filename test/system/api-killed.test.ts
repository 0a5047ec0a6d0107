import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { keysFor } from "@reelq/engine";
import { openReelq } from "@reelq/sdk";
import { Redis } from "ioredis";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type App, startApp, tapRedis, temporaryFolder } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

type Moment = "before the ledger hears of it" | "once the ledger was told" | "once it answered, and the answer is lost";

let prefixes = 0;

/** An API that is killed with -9 at one moment of its first create, and started again where it listened. */
async function killedAt(moment: Moment, prompt: string) {
  const prefix = `{killed-${(prefixes += 1)}}`;
  const folder = await temporaryFolder();
  let victim: App | undefined;
  let isDone = false;
  const isIt = (chunk: Buffer): boolean => !isDone && victim !== undefined && chunk.includes(prompt);
  const kill = (): void => {
    isDone = true;
    void victim?.kill("SIGKILL");
  };
  const tap = await tapRedis(
    redis,
    (_message, chunk) => {
      if (moment !== "before the ledger hears of it" || !isIt(chunk)) return true;
      kill();
      return false;
    },
    (chunk) => {
      if (moment === "once the ledger was told" && isIt(chunk)) kill();
    },
  );
  const env = {
    REDIS_URL: tap.url,
    UPSTREAM_URL: "http://127.0.0.1:9/v1",
    STORAGE_URL: `file:${folder.path}`,
    LOG_LEVEL: "silent",
  };
  const start = (port: string): App => startApp("api", { args: [`--prefix=${prefix}`], env: { ...env, PORT: port } });
  const first = start("0");
  const url = (await first.ready) ?? "";
  victim = first;
  const second = first.exited.then(() => start(new URL(url).port));
  // In front of the API: drops its first answer, and kills it.
  const door = createServer((request, response) => {
    fetch(`${url}${request.url}`, {
      method: request.method ?? "GET",
      headers: Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]),
      ...(request.method === "POST" ? { body: request as never, duplex: "half" } : {}),
    }).then(
      async (answer) => {
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (moment === "once it answered, and the answer is lost" && !isDone && request.method === "POST") {
          kill();
          response.destroy();
        } else response.writeHead(answer.status, { "content-type": "application/json" }).end(bytes);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const client = new Redis(redis.url);
  onTestFinished(async () => {
    door.closeAllConnections();
    door.close();
    client.disconnect();
    await first.kill("SIGKILL");
    await (await second).kill("SIGKILL");
    tap.close();
    await folder.remove();
  });
  return {
    url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`,
    wasKilled: () => isDone,
    made: () => client.zrange(keysFor(prefix).videos, "-", "+", "BYLEX"),
  };
}

describe.each<Moment>([
  "before the ledger hears of it",
  "once the ledger was told",
  "once it answered, and the answer is lost",
])("an API that is killed with -9 %s", (moment) => {
  test("makes one video, and the official SDK that repeats itself gets it", async () => {
    const { url, wasKilled, made } = await killedAt(moment, "told by the official SDK");
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 12 });
    const { id } = await client.videos.create({ prompt: "told by the official SDK" });
    expect(wasKilled()).toBe(true);
    expect(await made()).toEqual([id]);
  });
});

test("our own SDK gets the one video of an API that is killed with -9 once the ledger was told", async () => {
  const { url, wasKilled, made } = await killedAt("once the ledger was told", "told by our own SDK");
  const { id } = await openReelq({ url, tries: 12 }).videos.create({ prompt: "told by our own SDK" });
  expect(wasKilled()).toBe(true);
  expect(await made()).toEqual([id]);
});
