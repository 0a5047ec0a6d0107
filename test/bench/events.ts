import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { VideoBody } from "@reelq/contract";
import { keysFor } from "@reelq/engine";
import { Redis } from "ioredis";
import { startApp, temporaryFolder } from "../support/processes.ts";
import { startRedis } from "../support/redis.ts";
import type { Bench, Figures } from "./frame/bench.ts";

const listeners = 2_000;
const restSeconds = 32;
const streamLength = 100_000;
const prefix = "{bench-events}";

export const events: Bench = {
  question: "What do listeners cost one API process, and one that resumes from the far end of a long stream?",
  run: listenAndResume,
};

async function listenAndResume(): Promise<Figures> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const folder = await temporaryFolder();
  const api = startApp("api", {
    args: [`--prefix=${prefix}`],
    env: {
      REDIS_URL: server.url,
      UPSTREAM_URL: "http://127.0.0.1:9/v1",
      STORAGE_URL: `file:${folder.path}`,
      PORT: "0",
      LOG_LEVEL: "warn",
    },
  });
  const sockets: Stream[] = [];
  try {
    const url = new URL((await api.ready) ?? "");
    const video = await create(url);
    const tell = happen(redis, video);
    // What the first calls need is there before anything is counted.
    sockets.push(await listen(url, "/v1/events"), await listen(url, `/v1/videos/${video.id}/events`));
    await Promise.all([tell(), ...sockets.map((stream) => stream.hears("video.overdue"))]);
    const [before, connectionsBefore] = [await memoryOf(api.pid), await connectionsTo(redis)];

    for (let index = 0; index < listeners; index += 100)
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: 100 }, (_, at) => listen(url, at % 2 ? "/v1/events" : `/v1/videos/${video.id}/events`)),
        )),
      );
    const idle = sockets.slice(2);
    const heartbeats = idle.map((stream) => stream.hears(": heartbeat"));
    const cpuBefore = await cpuOf(api.pid);
    await delay(restSeconds * 1_000);
    const cpuShare = ((await cpuOf(api.pid)) - cpuBefore) / restSeconds;
    await Promise.all(heartbeats);
    const kilobytesEach = ((await memoryOf(api.pid)) - before) / listeners / 1_024;
    const connections = (await connectionsTo(redis)) - connectionsBefore;
    const spreadMs = await timed(() => Promise.all([tell(), ...idle.map((stream) => stream.hears("video.overdue"))]));
    const burst = idle.map((stream) => stream.hears("video.overdue", 100));
    const burstMs = await timed(() => Promise.all([tell(100), ...burst]));
    for (const stream of idle) stream.close();

    const other = await create(url);
    const [[from]] = (await redis.xrevrange(keysFor(prefix).events, "+", "-", "COUNT", 1)) as [[string, string[]]];
    await fill(redis, other.id, streamLength);
    // What whoever resumes waits for comes last.
    await tell();
    const alone = await whileAsking(url, () => resume(url, video, from));
    const crowd = await whileAsking(url, () => Promise.all(Array.from({ length: 50 }, () => resume(url, video, from))));
    const calm = await whileAsking(url, () => delay(1_000));
    const figure = (what: string, unit: string, reelq: number) => ({ what, unit, reelq });
    return {
      lines: [
        figure("memory, a listener", "KB", kilobytesEach),
        figure("CPU of the API at rest", "% of a core", cpuShare * 100),
        figure("more connections to Redis", "", connections),
        figure("one event reaches all in", "ms", spreadMs),
        figure("a hundred events reach all in", "ms", burstMs),
        figure("one resumes in", "ms", alone.ms),
        figure("another call meanwhile, at most", "ms", alone.slowestMs),
        figure("50 resume in", "ms", crowd.ms),
        figure("another call meanwhile, median", "ms", crowd.medianMs),
        figure("another call meanwhile, at most", "ms", crowd.slowestMs),
        figure("another call at rest, at most", "ms", calm.slowestMs),
      ],
      notes: [
        `${listeners} listeners on one API process for ${restSeconds} s, each with its heartbeat; resuming ${streamLength} events back.`,
      ],
      raw: { listeners, kilobytesEach, cpuShare, connections, spreadMs, burstMs, alone, crowd, calm },
    };
  } finally {
    for (const stream of sockets) stream.close();
    await api.kill("SIGTERM");
    redis.disconnect();
    await server.stop();
    await folder.remove();
  }
}

interface Stream {
  /** Resolves once it has heard these words so often, from the call on. */
  hears(words: string, times?: number): Promise<void>;
  close(): void;
}

/** Resolves once the stream has begun. */
async function listen(url: URL, path: string, lastEventId?: string): Promise<Stream> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, "connect");
  const resumed = lastEventId === undefined ? "" : `Last-Event-ID: ${lastEventId}\r\n`;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\n${resumed}\r\n`);
  const hears = (words: string, times = 1) =>
    new Promise<void>((resolve, reject) => {
      let left = times;
      let tail = "";
      const hear = (chunk: string): void => {
        const parts = (tail + chunk).split(words);
        left -= parts.length - 1;
        tail = (parts.at(-1) ?? "").slice(1 - words.length);
        if (left > 0) return;
        socket.off("data", hear).off("close", lose);
        resolve();
      };
      const lose = () => reject(new Error(`It ended before it said ${words}.`));
      socket.on("data", hear).on("close", lose);
    });
  socket.setEncoding("latin1").on("error", () => undefined);
  await hears("retry: 2000");
  return { hears, close: () => socket.destroy() };
}

async function create(url: URL): Promise<VideoBody> {
  const response = await fetch(new URL("/v1/videos", url), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ prompt: "a cat" }),
  });
  return (await response.json()) as VideoBody;
}

/** An alarm about a video, as its script tells it. */
function happen(redis: Redis, { id }: VideoBody): (times?: number) => Promise<unknown> {
  return (times = 1) =>
    write(
      redis,
      Array.from({ length: times }, () => id),
    );
}

async function write(redis: Redis, ids: readonly string[]): Promise<unknown> {
  const pipeline = redis.pipeline();
  for (const id of ids)
    pipeline.xadd(
      keysFor(prefix).events,
      "*",
      "project",
      "default",
      "video",
      id,
      "version",
      "1",
      "status",
      "queued",
      "at",
      `${Date.now()}`,
      "alarm",
      "overdue",
    );
  return pipeline.exec();
}

async function fill(redis: Redis, id: string, length: number): Promise<void> {
  for (let left = length; left > 0; left -= 1_000)
    await write(
      redis,
      Array.from({ length: 1_000 }, () => id),
    );
}

/** Goes through all there is, up to the video's last event. */
async function resume(url: URL, { id }: VideoBody, from: string): Promise<void> {
  const stream = await listen(url, `/v1/videos/${id}/events`, from);
  await stream.hears("video.overdue");
  stream.close();
}

/** How long some work takes, and how long other calls take meanwhile. */
async function whileAsking(url: URL, work: () => Promise<unknown>) {
  const done = new AbortController();
  const asked: number[] = [];
  const asking = async () => {
    while (!done.signal.aborted)
      asked.push(await timed(() => fetch(new URL("/v1/videos?limit=1", url)).then((one) => one.text())));
  };
  const ms = await timed(async () => {
    await Promise.all([asking(), work().finally(() => done.abort())]);
  });
  asked.sort((one, other) => one - other);
  return { ms, medianMs: asked[Math.floor(asked.length / 2)] ?? 0, slowestMs: asked.at(-1) ?? 0 };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return Math.round(performance.now() - from);
}

/** Bytes of memory that a process has; Linux only. */
async function memoryOf(pid: number): Promise<number> {
  const [, kilobytes = 0] = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1_024;
}

/** Seconds of a core that a process has used; Linux only. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function connectionsTo(redis: Redis): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await redis.info("clients"))?.[1]);
}
