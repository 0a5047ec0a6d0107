import { isFinal, type Money, type Status, statuses, type Video, type VideoId } from "@reelq/contract";
import { auditBatches } from "./batches/audit.ts";
import { isParked, poolOf, turnOf } from "./batches/pool.ts";
import { openBooks } from "./books.ts";
import type { Finding } from "./finding.ts";
import { CorruptRecordError } from "./corrupt-record.ts";
import type { Engine } from "./engine.ts";
import { laneName, placeName, takesPlace } from "./lane.ts";
import { readable } from "./record.ts";

export interface AuditReport {
  readonly videos: number;
  readonly byStatus: Readonly<Record<Status, number>>;
  readonly findings: readonly Finding[];
  /** All money, and whether journal, balances and records were seen to agree: not while money moved. */
  readonly money: Money & { readonly isProven: boolean };
}

const pageLength = 500;

/**
 * Proves the invariants: every record readable, indexes equal to records, every video that is not final due,
 * every paid task owned by one video, every stored video's file there with its length. Mends what follows
 * from the records themselves, which are the truth; reports the rest. Safe while workers run: each mend is
 * compared with the record's version in the same step.
 * @param mend false: only look
 */
export async function audit(engine: Engine, mend: boolean): Promise<AuditReport> {
  const findings: Finding[] = [];
  const byStatus = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<Status, number>;
  let videos = 0;
  const owners = new Map<string, VideoId>();
  const books = await openBooks(engine);
  for await (const id of everyId(engine)) {
    videos += 1;
    const video = await readOrReport(id, engine, findings);
    if (!video) continue;
    byStatus[video.status] += 1;
    books.enter(video);
    findings.push(
      ...(await auditIndexes(video, engine, mend)),
      ...(await auditTask(video, engine, owners)),
      ...(await auditFile(video, engine)),
    );
  }
  findings.push(
    ...(await auditStrays(engine, mend)),
    ...(await auditPlaces(engine, mend)),
    ...(await auditBatches(engine, mend)),
    ...(await books.close()),
  );
  return { videos, byStatus, findings, money: await books.sums() };
}

async function* everyId({ redis, keys }: Engine): AsyncGenerator<VideoId> {
  let from = "-";
  for (;;) {
    const ids = await redis.zrange(keys.videos, from, "+", "BYLEX", "LIMIT", 0, pageLength);
    yield* ids as VideoId[];
    const last = ids.at(-1);
    if (last === undefined || ids.length < pageLength) return;
    from = `(${last}`;
  }
}

async function readOrReport(id: VideoId, { ledger }: Engine, findings: Finding[]): Promise<Video | undefined> {
  try {
    const video = await ledger.read(id);
    if (!video)
      findings.push({ about: id, message: "it is in the index of all videos and has no record.", repaired: false });
    return video;
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    findings.push({ about: id, message: error.message, repaired: false });
    return undefined;
  }
}

/** What the record says of each index, and what the index says. */
async function auditIndexes(video: Video, engine: Engine, mend: boolean): Promise<Finding[]> {
  const { redis, keys } = engine;
  const { id, status } = video;
  const expected: readonly (readonly [key: string, isMember: boolean, score: number, name: string, member?: string])[] =
    [
      ...statuses.map(
        (one) => [keys.status(video.project, one), one === status, 0, `the index of ${one} videos`] as const,
      ),
      [keys.due, !isFinal(status), video.dueAt, "the due times"],
      [keys.places(video.lane.upstream), takesPlace(video), 0, "its account's places", placeName(video.lane, id)],
      [keys.waiting(video.lane), status === "queued" && !isParked(video), 0, "the queued videos of its lane"],
      ...(video.batch
        ? [
            [
              keys.batchPool(video.batch.id, poolOf(video)),
              isParked(video),
              turnOf(video.batch),
              "the pool of its batch",
            ] as const,
          ]
        : []),
    ];
  const scores = await Promise.all(expected.map(([key, , , , member = id]) => redis.zscore(key, member)));
  const wrong = expected.filter(([, isMember], index) => isMember !== (scores[index] !== null));
  if (wrong.length === 0) return [];
  // A video that moves while it is looked at is not wrong.
  const now = await engine.ledger.read(id);
  if (now?.version !== video.version) return now ? auditIndexes(now, engine, mend) : [];
  if (mend)
    for (const [key, isMember, score, , member = id] of wrong)
      await engine.ledger.mendIndex(video, key, member, isMember ? score : null);
  return wrong.map(([, isMember, , name]) => ({
    about: id,
    message: `it is ${status}, and ${name} ${isMember ? "did not hold it" : "held it"}.`,
    repaired: mend,
  }));
}

async function auditTask(video: Video, { ledger }: Engine, owners: Map<string, VideoId>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { task, upstream, number } of video.attempts) {
    if (task === undefined) continue;
    const name = `${upstream} ${task}`;
    const other = owners.get(name);
    if (other && other !== video.id)
      findings.push({
        about: video.id,
        message: `task ${task} of ${upstream} belongs to ${other} too.`,
        repaired: false,
      });
    owners.set(name, video.id);
    const owner = await ledger.ownerOf(upstream, task);
    if (owner !== video.id)
      findings.push({
        about: video.id,
        message: `attempt ${number} made task ${task}, which the ledger gives to ${owner ?? "nobody"}.`,
        repaired: false,
      });
  }
  const settledTasks = new Set(video.attempts.map(({ task }) => task));
  for (const { task, upstream, attempt } of await ledger.evidenceFor(video.id)) {
    if (settledTasks.has(task) || video.status === "in_doubt") continue;
    findings.push({
      about: video.id,
      message: `attempt ${attempt} was taken for lost and did make task ${task} at ${upstream}: it may have been paid for and is used by no video.`,
      repaired: false,
    });
  }
  return findings;
}

async function auditFile(video: Video, { storage }: Engine): Promise<Finding[]> {
  if (video.status !== "stored") return [];
  const { key, sidecarKey, bytes, variants = {} } = video.file;
  const [file, sidecar] = await Promise.all([storage.head(key), storage.head(sidecarKey)]);
  const findings: Finding[] = [];
  for (const [name, picture] of Object.entries(variants))
    if (picture && !(await storage.head(picture.key)))
      findings.push({
        about: video.id,
        message: `its ${name} ${picture.key} is not in ${storage.place}.`,
        repaired: false,
      });
  if (!file)
    findings.push({ about: video.id, message: `its file ${key} is not in ${storage.place}.`, repaired: false });
  else if (file.bytes !== bytes)
    findings.push({
      about: video.id,
      message: `its file ${key} has ${file.bytes} bytes, and ${bytes} were stored.`,
      repaired: false,
    });
  if (!sidecar)
    findings.push({
      about: video.id,
      message: `its sidecar ${sidecarKey} is not in ${storage.place}.`,
      repaired: false,
    });
  return findings;
}

/** Places that videos take up under another lane's name than their own. */
async function auditPlaces({ redis, keys, fleet, ledger }: Engine, mend: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const upstream of Object.keys(fleet.upstreams)) {
    const key = keys.places(upstream);
    for (const place of await redis.zrange(key, "0", "-1")) {
      const id = idIn(place);
      const [video] = readable(id, await redis.get(keys.video(id)));
      if (!video || (video.lane.upstream === upstream && placeName(video.lane, id) === place)) continue;
      // It may have gone to another lane meanwhile, and given up its place here before.
      if ((await redis.zscore(key, place)) === null) continue;
      if (mend) await ledger.mendIndex(video, key, place, null);
      findings.push({
        about: id,
        message: `${key} holds it as "${place}", and its lane is ${laneName(video.lane)}.`,
        repaired: mend,
      });
    }
  }
  return findings;
}

/** A place has its model's name before the id. */
const idIn = (member: string): VideoId => member.slice(member.lastIndexOf(" ") + 1) as VideoId;

/** Ids in an index that the index of all videos does not know. */
async function auditStrays({ redis, keys, fleet }: Engine, mend: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const projects = await redis.smembers(keys.projects);
  const indexes = [
    keys.due,
    keys.alarms,
    ...projects.flatMap((project) => statuses.map((status) => keys.status(project, status))),
    ...fleet.lanes.map(keys.waiting),
    ...Object.keys(fleet.upstreams).map(keys.places),
  ];
  for (const key of indexes) {
    const members = await redis.zrange(key, "0", "-1");
    const known = members.length > 0 ? await redis.zmscore(keys.videos, ...members.map(idIn)) : [];
    const strays = members.filter((_, index) => known[index] === null);
    if (mend && strays.length > 0) await redis.zrem(key, ...strays);
    findings.push(
      ...strays.map((member) => ({
        about: idIn(member),
        message: `${key} holds it, and there is no such video.`,
        repaired: mend,
      })),
    );
  }
  return findings;
}
