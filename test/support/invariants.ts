import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { isAllowed, isFinal, type Status, statuses, type Video, type VideoIn, type VideoEvent } from "@reelq/contract";
import { audit } from "@reelq/engine";
import type { Cell } from "./chaos.ts";

const placed = new Set<Status>(["submitting", "in_doubt", "rendering"]);
const holdsPlace = (video: Video): boolean =>
  placed.has(video.status) && !(video.status === "in_doubt" && video.doubt.over === true);

/** What must be true of a cell whenever nobody is at work in it; a sentence for each thing that is not. */
export async function brokenInvariants(cell: Cell): Promise<string[]> {
  const videos = await everyVideo(cell);
  const events = await everyEvent(cell);
  return [
    ...(await Promise.all(videos.map((video) => ofVideo(video, cell, events)))).flat(),
    ...(await ofTasks(videos, cell)),
    ...(await ofIndexes(videos, cell)),
    ...(await ofUploads(cell)),
    ...(await audit(cell.engine, false)).findings.map(({ about, message }) => `audit: ${about}: ${message}`),
  ];
}

async function everyVideo({ engine }: Cell): Promise<Video[]> {
  const videos: Video[] = [];
  for (let hasMore = true; hasMore;) {
    const page = await engine.ledger.list({ after: videos.at(-1)?.id, limit: 200, order: "asc" });
    videos.push(...page.videos);
    hasMore = page.hasMore;
  }
  return videos;
}

async function everyEvent({ engine }: Cell): Promise<VideoEvent[]> {
  const events: VideoEvent[] = [];
  for (;;) {
    const page = await engine.ledger.events({ after: events.at(-1)?.id ?? "0", limit: 1_000 });
    if (page.length === 0) return events;
    events.push(...page.filter((event) => "video" in event));
  }
}

async function ofVideo(video: Video, cell: Cell, events: readonly VideoEvent[]): Promise<string[]> {
  const own = events.filter(({ video: id, alarm }) => id === video.id && alarm === undefined);
  const broken = [...ofEvents(video, own), ...ofPosts(video, cell)];
  if (video.status === "stored") broken.push(...(await ofFile(video, cell)));
  return broken.map((sentence) => `${video.id} (${video.status}): ${sentence}`);
}

/** In order, none missing, each an allowed move, and the last one is where the video is. */
function ofEvents(video: Video, events: readonly VideoEvent[]): string[] {
  const broken: string[] = [];
  const [first] = events;
  const last = events.at(-1);
  if (first?.status !== "queued" || first.version !== 1) broken.push("its first event is not its acceptance");
  if (last?.status !== video.status) broken.push(`its last event says ${last?.status}`);
  if ((last?.version ?? 0) > video.version) broken.push("its last event is newer than its record");
  for (const [index, { status, version }] of events.entries()) {
    const before = events[index - 1];
    if (!before) continue;
    if (version <= before.version) broken.push(`version ${version} was told after ${before.version}`);
    if (!before.status || !status || !isAllowed(before.status, status))
      broken.push(`it was told to go from ${before.status} to ${status}`);
  }
  return broken;
}

/** Each POST is an attempt, or was proved to have made nothing; and one task a video. */
function ofPosts(video: Video, { simulator }: Cell): string[] {
  const { attempts, setbacks, request } = video;
  const posts = simulator.posts().filter(({ prompt }) => prompt === request.prompt);
  const made = posts.filter(({ task }) => task !== null);
  const broken: string[] = [];
  if (made.length > 1) broken.push(`it was paid ${made.length} times`);
  const excused = attempts.length + setbacks.throttled + setbacks.notSent;
  if (posts.length > excused) broken.push(`${posts.length} POSTs, and only ${attempts.length} attempts`);
  const numbers = attempts.map(({ number }) => number);
  if (numbers.some((number, index) => number !== index + 1)) broken.push(`its attempts are ${numbers.join(", ")}`);
  return broken;
}

/** Whole, with its sidecar, and byte by byte what the upstream made. */
async function ofFile({ file, task }: VideoIn<"stored">, { engine, simulator }: Cell): Promise<string[]> {
  const [stored, sidecar, made] = await Promise.all([
    engine.storage.get(file.key),
    engine.storage.get(file.sidecarKey),
    fetch(`${simulator.origin}/_sim/files/${encodeURIComponent(task.id)}`),
  ]);
  if (!stored) return [`there is no ${file.key}`];
  if (!sidecar) return [`there is no ${file.sidecarKey}`];
  const bytes = await buffer(stored.body);
  const broken: string[] = [];
  if (stored.bytes !== file.bytes || bytes.length !== file.bytes) broken.push(`its file has ${bytes.length} bytes`);
  if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) broken.push("its file has another sha256");
  if (made.ok && !bytes.equals(Buffer.from(await made.arrayBuffer()))) broken.push("its file is not what was made");
  const said = JSON.parse(await text(sidecar.body)) as { task?: string; file?: { sha256?: string } };
  if (said.task !== task.id || said.file?.sha256 !== file.sha256) broken.push("its sidecar tells of another file");
  return broken;
}

/** Whatever was paid for belongs to one video, or to one that knows that it may have been paid for. */
async function ofTasks(videos: readonly Video[], { simulator, engine }: Cell): Promise<string[]> {
  const broken: string[] = [];
  for (const { id, prompt } of simulator.tasks() as { id: string; prompt: string }[]) {
    const owner = await engine.ledger.ownerOf("main", id);
    const asked = videos.find(({ request }) => request.prompt === prompt);
    const holders = videos.filter((video) => "task" in video && video.task?.id === id);
    if (holders.length > 1) broken.push(`task ${id} is in ${holders.length} records`);
    if (owner === undefined && asked?.status === "in_doubt") continue;
    if (owner !== asked?.id) broken.push(`task ${id} was made for ${asked?.id} and belongs to ${owner ?? "nobody"}`);
    if (holders[0] !== asked) broken.push(`task ${id} was made for ${asked?.id} and is in no record of it`);
  }
  return broken;
}

/** Each index says what the records say. */
async function ofIndexes(videos: readonly Video[], { engine }: Cell): Promise<string[]> {
  const { redis, keys, fleet } = engine;
  const expected: [name: string, key: string, ids: string[]][] = [
    ["all videos", keys.videos, videos.map(({ id }) => id)],
    ["due", keys.due, videos.filter(({ status }) => !isFinal(status)).map(({ id }) => id)],
    ...statuses.map((status): [string, string, string[]] => [
      status,
      keys.status("default", status),
      videos.filter((video) => video.status === status).map(({ id }) => id),
    ]),
    ...fleet.lanes.map((lane): [string, string, string[]] => {
      const there = videos.filter((video) => video.lane.upstream === lane.upstream && video.lane.model === lane.model);
      return ["waiting", keys.waiting(lane), there.filter(({ status }) => status === "queued").map(({ id }) => id)];
    }),
    ...Object.keys(fleet.upstreams).map((upstream): [string, string, string[]] => [
      "places",
      keys.places(upstream),
      videos
        .filter((video) => holdsPlace(video) && video.lane.upstream === upstream)
        .map(({ id, lane }) => `${lane.model} ${id}`),
    ]),
  ];
  const broken: string[] = [];
  for (const [name, key, ids] of expected) {
    const found = await redis.zrange(key, "0", "-1");
    if (found.sort().join() !== ids.sort().join())
      broken.push(`the index "${name}" holds ${found.length} and not ${ids.length}: ${found.join()}`);
  }
  return broken;
}

/** What a killed worker left unfinished is out of the way, and goes with the sweep that comes after a day. */
async function ofUploads({ engine, folder }: Cell): Promise<string[]> {
  await engine.storage.abandonUploads(Date.now() + 60_000);
  const left = await readdir(join(folder, ".incoming")).catch(() => []);
  return left.map((name) => `an upload was left behind: ${name}`);
}
