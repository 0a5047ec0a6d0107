import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type RedisServer, startRedisServer } from "@reelq/service";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { redisServerProgram as binary, startRedis } from "../support/redis.ts";

async function aFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "reelq-redis-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function start(dir: string): Promise<RedisServer> {
  const server = await startRedisServer({ dir, binary });
  onTestFinished(() => server.stop());
  return server;
}

async function withClient<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** Resolves when the connection that was open to a port ends: the server is gone. */
async function goneFrom(port: number): Promise<void> {
  const socket = createConnection(port, "127.0.0.1");
  await once(socket, "connect");
  socket.resume();
  await once(socket, "close");
}

describe.skipIf(binary === undefined)("a Redis of our own", () => {
  test("listens on loopback only, writes everything to disk at once and evicts nothing", async () => {
    const server = await start(await aFolder());
    const config = await withClient(server.url, async (redis) =>
      Promise.all(
        ["bind", "appendonly", "appendfsync", "save", "maxmemory-policy"].map(async (name) =>
          redis.config("GET", name),
        ),
      ),
    );
    expect(config).toEqual([
      ["bind", "127.0.0.1"],
      ["appendonly", "yes"],
      ["appendfsync", "always"],
      ["save", ""],
      ["maxmemory-policy", "noeviction"],
    ]);
  });

  test("keeps its data and its port when it is stopped and started again", async () => {
    const dir = await aFolder();
    const first = await start(dir);
    await withClient(first.url, (redis) => redis.set("video", "stored"));
    await first.stop();
    await first.exited;
    const second = await start(dir);
    expect(second.url).toBe(first.url);
    expect(await withClient(second.url, (redis) => redis.get("video"))).toBe("stored");
  });

  test("is refused to a second starter, who is told the port of the one that has the data", async () => {
    const dir = await aFolder();
    const server = await start(dir);
    await expect(startRedisServer({ dir, binary })).rejects.toMatchObject({ code: "in_use", port: server.port });
    expect(await withClient(server.url, (redis) => redis.ping())).toBe("PONG");
  });

  test("is started once by many who start it at the same time", async () => {
    const dir = await aFolder();
    const starts = await Promise.allSettled(Array.from({ length: 4 }, () => start(dir)));
    expect(starts.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
  });

  test("takes another port when a stranger sits on its own", async () => {
    const dir = await aFolder();
    const first = await start(dir);
    await first.stop();
    const stranger = createServer((socket) => socket.end()).listen(first.port, "127.0.0.1");
    await once(stranger, "listening");
    onTestFinished(() => void stranger.close());
    const second = await start(dir);
    expect(second.port).not.toBe(first.port);
  });

  test("says what it said where it cannot start", async () => {
    const failed = startRedisServer({ dir: await aFolder(), binary: "/bin/false" });
    await expect(failed).rejects.toMatchObject({ code: "did_not_start" });
    await expect(startRedisServer({ dir: await aFolder(), searchPath: "" })).rejects.toMatchObject({
      code: "no_binary",
    });
    const absent = startRedisServer({ dir: await aFolder(), binary: "/nonexistent/redis-server" });
    await expect(absent).rejects.toMatchObject({ code: "no_binary" });
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "dies with its parent, %s, and its data can be taken over",
    async (signal) => {
      const dir = await aFolder();
      const program = new URL("../support/redis-parent.ts", import.meta.url).pathname;
      const parent = spawn(process.execPath, [program, dir, binary ?? ""], { stdio: ["ignore", "pipe", "inherit"] });
      onTestFinished(() => void parent.kill("SIGKILL"));
      const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
      const gone = goneFrom(Number(line));
      parent.kill(signal);
      await gone;
      const next = await start(dir);
      expect(next.port).toBe(Number(line));
    },
  );

  test("comes back after a kill with all that it had answered", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const before = redis.pid;
    await withClient(redis.url, (client) => client.set("video", "queued"));
    await redis.restart();
    expect(redis.pid).not.toBe(before);
    expect(await withClient(redis.url, (client) => client.get("video"))).toBe("queued");
  });
});
