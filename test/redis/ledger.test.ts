import {
  isAllowed,
  isFinal,
  moves,
  newVideoId,
  publicStatus,
  type Status,
  statuses,
  type Video,
  type VideoId,
} from "@reelq/contract";
import {
  CorruptRecordError,
  keysFor,
  type Ledger,
  openEngine,
  openFleet,
  openLedger,
  producerOn,
  type RequestMemory,
  openStorage,
} from "@reelq/engine";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { caller } from "../support/engine.ts";
import { videoEvents } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aTask, aVideo, endOf, inFlightOf, inStatus, leaveOf, someLane, someTime } from "../support/video.ts";

let server: TestRedis;
let redis: Redis;
let opened = 0;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** A ledger that nobody else writes in. */
function emptyLedger() {
  const keys = keysFor(`{ledger-${(opened += 1)}}`);
  const clock = { now: () => someTime };
  return { keys, ledger: openLedger(redis, keys, clock) };
}

const week = 7 * 24 * 60 * 60 * 1000;
const idempotency = (key: string, fingerprint: string): RequestMemory => ({
  apiKey: "open",
  fingerprint,
  way: { kind: "key", key },
});

/** Advances and insists on success. */
async function moved<S extends Status>(ledger: Ledger, video: Video, status: S, next = inStatus(video, status)) {
  const advance = await ledger.advance(video, next);
  if (advance.kind !== "moved") throw new Error(`${video.status} -> ${status} was ${JSON.stringify(advance)}`);
  return advance.video;
}

describe("accept", () => {
  test("an accepted video is in the record, the indexes, the due times and the events at once", async () => {
    const { keys, ledger } = emptyLedger();
    const video = aVideo("queued", { dueAt: someTime + 5 });

    expect(await ledger.accept([{ video }])).toEqual({ kind: "accepted", ids: [video.id] });

    expect(await ledger.read(video.id)).toEqual(video);
    expect(await redis.zrange(keys.videos, "-", "+", "BYLEX")).toEqual([video.id]);
    expect(await redis.zrange(keys.status("default", "queued"), "-", "+", "BYLEX")).toEqual([video.id]);
    expect(await redis.zscore(keys.due, video.id)).toBe(String(someTime + 5));
    expect(await ledger.events({ after: "0", limit: 10 })).toEqual([
      {
        id: expect.any(String),
        project: "default",
        video: video.id,
        version: 1,
        status: "queued",
        type: "video.queued",
        at: someTime,
      },
    ]);
  });

  test("an accepted video outlives a Redis that is killed without warning", async ({ skip }) => {
    if (server.pid === 0) skip("the Redis is not ours to kill");
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const before = new Redis(own.url);
    const keys = keysFor("{durable}");
    const videos = Array.from({ length: 20 }, () => aVideo("queued"));
    const ledger = openLedger(before, keys, { now: () => someTime });
    await Promise.all(videos.map((video) => ledger.accept([{ video }])));
    before.disconnect();

    await own.restart();

    const after = new Redis(own.url);
    onTestFinished(() => after.disconnect());
    const reopened = openLedger(after, keys, { now: () => someTime });
    for (const video of videos) expect(await reopened.read(video.id)).toEqual(video);
    expect((await reopened.counts()).queued).toBe(20);
  });

  test("a known key makes no second video and says whose it is", async () => {
    const { keys, ledger } = emptyLedger();
    const [first, second] = [aVideo("queued"), aVideo("queued")];
    await ledger.accept([{ video: first, memory: idempotency("k", "one") }]);

    expect(await ledger.accept([{ video: second, memory: idempotency("k", "one") }])).toEqual({
      kind: "accepted",
      ids: [first.id],
    });
    expect(await ledger.accept([{ video: second, memory: idempotency("k", "two") }])).toEqual({
      kind: "conflict",
      conflicts: [{ index: 0, id: first.id, fingerprint: "one" }],
    });

    expect(await ledger.read(second.id)).toBeUndefined();
    expect(await redis.zcard(keys.videos)).toBe(1);
    expect(await redis.xlen(keys.events)).toBe(1);
  });

  test("a key is remembered for its time and then forgotten", async () => {
    const { keys, ledger } = emptyLedger();
    await ledger.accept([{ video: aVideo("queued"), memory: idempotency("k", "one") }]);

    const leftMs = await redis.pttl(keys.idempotency("open", "k"));

    expect(leftMs).toBeGreaterThan(week - 60_000);
    expect(leftMs).toBeLessThanOrEqual(week);
  });

  test("API keys do not share their idempotency keys", async () => {
    const { ledger } = emptyLedger();
    await ledger.accept([{ video: aVideo("queued"), memory: idempotency("k", "one") }]);

    const other = await ledger.accept([
      { video: aVideo("queued"), memory: { ...idempotency("k", "two"), apiKey: "film" } },
    ]);

    expect(other.kind).toBe("accepted");
  });

  test("what is sent again, as after a connection that broke before the answer, is accepted once", async () => {
    const { ledger } = emptyLedger();
    const [moved, lain, fresh] = [aVideo("queued"), aVideo("queued"), aVideo("queued")];
    await ledger.accept([{ video: moved }, { video: lain }]);
    const advance = await ledger.advance(moved, { ...moved, dueAt: moved.dueAt + 1 });
    expect(advance.kind).toBe("moved");

    const again = await ledger.accept([moved, lain, fresh].map((video) => ({ video })));

    expect(again).toEqual({ kind: "accepted", ids: [moved.id, lain.id, fresh.id] });
    expect((await ledger.read(moved.id))?.version).toBe(2);
    expect(await ledger.events({ after: "0", limit: 9 })).toHaveLength(3);
  });

  test("an id that exists is never written over", async () => {
    const { ledger } = emptyLedger();
    const video = aVideo("queued");
    await ledger.accept([{ video }]);

    await expect(ledger.accept([{ video: { ...video, project: "other" } }])).rejects.toThrow(video.id);

    expect(await ledger.read(video.id)).toEqual(video);
  });
});

describe("a producer's idempotency key", () => {
  const openAccounts = () => {
    const engine = openEngine({
      redisUrl: server.url,
      // Nobody answers there: no worker runs here.
      fleet: openFleet({ upstreams: { main: { url: "http://127.0.0.1:9/v1" } }, models: {} }),
      storage: openStorage("file:/nowhere", {}),
      patient: true,
      prefix: `{accounts-${(opened += 1)}}`,
    });
    onTestFinished(() => engine.close());
    return { engine, producer: producerOn(engine) };
  };
  const again = { idempotencyKey: "night-1" };

  test("the same key and the same request is the first video again", async () => {
    const { producer } = openAccounts();
    const first = await producer.create({ fields: { prompt: "a cat", seconds: 10, model: "sora-2" } }, caller, again);

    const second = await producer.create(
      { fields: { model: "sora-2", seconds: "10", prompt: "a cat" } },
      caller,
      again,
    );

    expect(first.replayed).toBe(false);
    expect(second).toEqual({ video: first.video, replayed: true });
  });

  test("the same key with another request is a conflict that names the fields that differ", async () => {
    const { producer } = openAccounts();
    await producer.create({ fields: { prompt: "a cat", seconds: 10 } }, caller, again);

    const conflict = producer.create({ fields: { prompt: "a dog", seconds: 15 } }, caller, again);

    await expect(conflict).rejects.toMatchObject({
      code: "idempotency_conflict",
      status: 409,
      message: expect.stringMatching(/prompt, seconds/),
    });
    await expect(conflict).rejects.not.toMatchObject({ message: expect.stringMatching(/model|size/) });
  });

  test("two hundred repeats at the same time make one video and one reminder", async () => {
    const { engine, producer } = openAccounts();
    const repeats = Array.from({ length: 200 }, () => producer.create({ fields: { prompt: "a cat" } }, caller, again));

    const accepted = await Promise.all(repeats);

    expect(new Set(accepted.map(({ video }) => video.id)).size).toBe(1);
    expect(accepted.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect((await engine.ledger.counts()).queued).toBe(1);
    const reminders = await Promise.all(engine.queues.all.map((queue) => queue.count()));
    expect(reminders.reduce((sum, count) => sum + count, 0)).toBe(1);
  });
});

describe("advance", () => {
  test("of twenty that move the same version at the same time exactly one does", async () => {
    const { ledger, keys } = emptyLedger();
    const video = aVideo("queued");
    await ledger.accept([{ video }]);

    const advances = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        ledger.advance(video, inStatus(video, "submitting", { worker: `worker-${index}` })),
      ),
    );

    const won = advances.filter(({ kind }) => kind === "moved");
    expect(won).toHaveLength(1);
    expect(advances.filter(({ kind }) => kind === "changed")).toHaveLength(19);
    expect(await ledger.read(video.id)).toEqual("video" in won[0]! ? won[0].video : undefined);
    expect(await redis.xlen(keys.events)).toBe(2);
  });

  test("whoever holds an old version is refused, whatever the status is", async () => {
    const { ledger } = emptyLedger();
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const waiting = await moved(ledger, queued, "queued");

    expect(await ledger.advance(queued, inStatus(queued, "cancelled"))).toEqual({ kind: "changed" });

    expect(await ledger.read(queued.id)).toEqual(waiting);
    expect(waiting.version).toBe(2);
  });

  test("a video that is gone is not made anew", async () => {
    const { ledger } = emptyLedger();
    const never = aVideo("queued");

    expect(await ledger.advance(never, inStatus(never, "submitting"))).toEqual({ kind: "changed" });

    expect(await ledger.read(never.id)).toBeUndefined();
  });

  const forbidden = statuses.flatMap((from) =>
    statuses.filter((to) => !moves.some((move) => move.from === from && move.to === to)).map((to) => ({ from, to })),
  );
  test.for(forbidden)("a move from $from to $to is not in the table and throws", async ({ from, to }) => {
    const { ledger } = emptyLedger();
    const video = aVideo(from);

    await expect(ledger.advance(video, inStatus(video, to))).rejects.toThrow(`from ${from} to ${to}`);
  });

  test("the version and the time of a write are the ledger's own", async () => {
    const { ledger } = emptyLedger();
    const video = aVideo("queued", { updatedAt: someTime - 5000 });
    await ledger.accept([{ video }]);

    const written = await moved(ledger, video, "submitting", inStatus(video, "submitting", { version: 77 }));

    expect(written).toMatchObject({ version: 2, updatedAt: someTime });
    expect(await ledger.read(video.id)).toEqual(written);
  });

  test("fifty that ask for three places at the same time get three", async () => {
    const { ledger } = emptyLedger();
    const videos = Array.from({ length: 50 }, () => aVideo("queued"));
    await Promise.all(videos.map((video) => ledger.accept([{ video }])));

    const ask = (video: Video) =>
      ledger.advance(video, inStatus(video, "submitting"), { leave: leaveOf({ inFlight: 3 }) });
    const advances = await Promise.all(videos.map(ask));

    expect(advances.filter(({ kind }) => kind === "moved")).toHaveLength(3);
    expect(advances.filter((advance) => endOf(advance) === "full")).toHaveLength(47);
    expect(await inFlightOf(ledger, someLane)).toBe(3);
    expect((await ledger.counts()).submitting).toBe(3);
  });

  test("a place is kept while the upstream may be rendering, and free once it is not", async () => {
    const { ledger } = emptyLedger();
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const places = async (video: Video) => [video.status, await inFlightOf(ledger, someLane)];

    const submitting = await moved(ledger, queued, "submitting", inStatus(queued, "submitting"));
    // Only the asking takes a place.
    expect(await places(submitting)).toEqual(["submitting", 0]);
    const asking = aVideo("queued");
    await ledger.accept([{ video: asking }]);
    const asked = await ledger.advance(asking, inStatus(asking, "submitting"), { leave: leaveOf({ inFlight: 1 }) });
    if (asked.kind !== "moved") throw new Error(asked.kind);
    expect(await places(asked.video)).toEqual(["submitting", 1]);
    const doubtful = await moved(ledger, asked.video, "in_doubt");
    expect(await places(doubtful)).toEqual(["in_doubt", 1]);
    const rendering = await moved(ledger, doubtful, "rendering");
    expect(await places(rendering)).toEqual(["rendering", 1]);
    const downloading = await moved(ledger, rendering, "downloading");
    expect(await places(downloading)).toEqual(["downloading", 0]);
  });

  test("lanes do not take each other's places", async () => {
    const { ledger } = emptyLedger();
    const here = aVideo("queued");
    const there = aVideo("queued", { lane: { upstream: "other", model: someLane.model } });
    await Promise.all([ledger.accept([{ video: here }]), ledger.accept([{ video: there }])]);

    const leave = { leave: leaveOf({ inFlight: 1 }) };
    const advances = await Promise.all(
      [here, there].map((video) => ledger.advance(video, inStatus(video, "submitting"), leave)),
    );

    expect(advances.map(({ kind }) => kind)).toEqual(["moved", "moved"]);
  });

  test("places that older versions kept are taken over, each in its lane, and what cannot be read counts for the account", async () => {
    const { ledger, keys } = emptyLedger();
    const other = { ...someLane, model: "sora-2-pro" };
    const [first, pro, broken, next] = [
      aVideo("rendering"),
      aVideo("rendering", { lane: other }),
      aVideo("rendering"),
      aVideo("queued"),
    ];
    for (const video of [first, pro]) await redis.set(keys.video(video.id), `1 rendering ${JSON.stringify(video)}`);
    await redis.set(keys.video(broken.id), "1 rendering {half");
    const gone = newVideoId(someTime);
    const older = [
      keys.olderPlaces(someLane.upstream),
      `${keys.prefix}:in-flight:main/sora-2`,
      `${keys.prefix}:in-flight:main/sora-2-pro`,
    ];
    await redis.zadd(older[0]!, 5, first.id, 6, pro.id, 7, broken.id, 8, gone);
    await redis.zadd(older[1]!, 5, first.id, 7, broken.id);
    await redis.zadd(older[2]!, 6, pro.id);
    await ledger.accept([{ video: next }]);

    const refused = await ledger.advance(next, inStatus(next, "submitting"), { leave: leaveOf({ inFlight: 1 }) });

    expect(endOf(refused)).toBe("full");
    expect(await redis.exists(...older)).toBe(0);
    expect(await redis.zrange(keys.places(someLane.upstream), 0, "-1", "WITHSCORES")).toEqual(
      [`? ${broken.id}`, `sora-2 ${first.id}`, `sora-2-pro ${pro.id}`].flatMap((place) => [place, "0"]),
    );
    expect(await ledger.laneStates([someLane, other])).toMatchObject([
      { inFlight: 1, accountInFlight: 3 },
      { inFlight: 1, accountInFlight: 3 },
    ]);
    await moved(ledger, first, "downloading");
    expect(endOf(await ledger.advance(next, inStatus(next, "submitting"), { leave: leaveOf({ inFlight: 1 }) }))).toBe(
      "moved",
    );
  });

  test("a lane at rest gives no leave, and says why and for how long", async () => {
    const { ledger, keys } = emptyLedger();
    const [throttled, next] = [aVideo("queued"), aVideo("queued")];
    await Promise.all([ledger.accept([{ video: throttled }]), ledger.accept([{ video: next }])]);
    const sent = await moved(ledger, throttled, "submitting");
    await ledger.advance(sent, inStatus(sent, "queued"), {
      restLane: { ms: 60_000, reason: "throttled: 429", said: true, sentAt: 0 },
    });

    const ask = () => ledger.advance(next, inStatus(next, "submitting"), { leave: leaveOf({ inFlight: 0 }) });

    expect(await ask()).toEqual({
      kind: "refused",
      obstacle: { kind: "resting", waitMs: expect.any(Number), reason: "throttled: 429" },
    });
    await redis.del(keys.rest(someLane));
    expect((await ask()).kind).toBe("moved");
  });

  test("a task has one owner: a second video does not get it, and stays as it is", async () => {
    const { ledger } = emptyLedger();
    const [first, second] = [aVideo("queued"), aVideo("queued")];
    await Promise.all([ledger.accept([{ video: first }]), ledger.accept([{ video: second }])]);
    const task = aTask({ id: "video_of_theirs" });
    const rendering = await moved(
      ledger,
      await moved(ledger, first, "submitting"),
      "rendering",
      inStatus(first, "rendering", { task }),
    ).catch((error: Error) => error);
    expect(rendering).not.toBeInstanceOf(Error);
    const doubtful = await moved(ledger, await moved(ledger, second, "submitting"), "in_doubt");

    const adopted = await ledger.advance(doubtful, inStatus(doubtful, "rendering", { task }));

    expect(adopted).toEqual({ kind: "owned", owner: first.id });
    expect(await ledger.read(second.id)).toEqual(doubtful);
    expect(await ledger.ownerOf(task.upstream, task.id)).toBe(first.id);
    expect(await ledger.ownerOf("other", task.id)).toBeUndefined();
  });

  test("twenty that adopt one task at the same time leave it with one owner", async () => {
    const { ledger } = emptyLedger();
    const doubtful = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const queued = aVideo("queued");
        await ledger.accept([{ video: queued }]);
        return moved(ledger, await moved(ledger, queued, "submitting"), "in_doubt");
      }),
    );
    const task = aTask();

    const advances = await Promise.all(
      doubtful.map((video) => ledger.advance(video, inStatus(video, "rendering", { task }))),
    );

    expect(advances.filter(({ kind }) => kind === "moved")).toHaveLength(1);
    expect(advances.filter(({ kind }) => kind === "owned")).toHaveLength(19);
  });

  test("a final video is due no more and holds no place; one that goes on is due when it says", async () => {
    const { ledger, keys } = emptyLedger();
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const asked = await ledger.advance(queued, inStatus(queued, "submitting", { dueAt: someTime + 9 }), {
      leave: leaveOf({ inFlight: 1 }),
    });
    if (asked.kind !== "moved") throw new Error(asked.kind);
    expect(await redis.zscore(keys.due, queued.id)).toBe(String(someTime + 9));

    await moved(ledger, asked.video, "failed");

    expect(await redis.zscore(keys.due, queued.id)).toBeNull();
    expect(await inFlightOf(ledger, someLane)).toBe(0);
  });
});

describe("hold", () => {
  test("puts the due time off for whoever knows the version, and the record stays as it was", async () => {
    const { ledger, keys } = emptyLedger();
    const video = aVideo("queued");
    await ledger.accept([{ video }]);

    expect(await ledger.hold(video, someTime + 1000.4)).toBe(true);

    expect(await redis.zscore(keys.due, video.id)).toBe(String(someTime + 1001));
    expect(await ledger.read(video.id)).toEqual(video);
  });

  test("is refused once the record moved on", async () => {
    const { ledger, keys } = emptyLedger();
    const video = aVideo("queued");
    await ledger.accept([{ video }]);
    await moved(ledger, video, "submitting", inStatus(video, "submitting", { dueAt: someTime + 7 }));

    expect(await ledger.hold(video, someTime + 60_000)).toBe(false);

    expect(await redis.zscore(keys.due, video.id)).toBe(String(someTime + 7));
  });

  test("makes no final or missing video due again", async () => {
    const { ledger, keys } = emptyLedger();
    const video = aVideo("queued");
    await ledger.accept([{ video }]);
    const cancelled = await moved(ledger, video, "cancelled");

    expect(await ledger.hold(cancelled, someTime)).toBe(false);
    expect(await ledger.hold(aVideo("queued"), someTime)).toBe(false);

    expect(await redis.zcard(keys.due)).toBe(0);
  });
});

describe("overdue", () => {
  test("names those whose time has passed, the most overdue first", async () => {
    const { ledger } = emptyLedger();
    const dueIn = async (ms: number) => {
      const video = aVideo("queued", { dueAt: someTime + ms });
      await ledger.accept([{ video }]);
      return video.id;
    };
    const [later, sooner] = [await dueIn(20), await dueIn(10)];
    await dueIn(30);

    expect((await ledger.overdue(someTime + 30, 10)).map(({ id }) => id)).toEqual([sooner, later]);
    expect((await ledger.overdue(someTime + 30, 1)).map(({ id }) => id)).toEqual([sooner]);
  });

  test("are put off together where their reminders are there, unless they moved on", async () => {
    const { ledger, keys } = emptyLedger();
    const dueAt = someTime + 10;
    const videos = await Promise.all(
      ["reminded", "lost", "finished", "moved"].map(async (prompt) => {
        const request = { prompt, model: someLane.model, seconds: 10, size: "720x1280" };
        const video = aVideo("queued", { dueAt: someTime + 0.5, request });
        await ledger.accept([{ video }]);
        return video;
      }),
    );
    const reminderKey = (video: Video) => `${keys.prefix}:poll:${video.id}`;
    const [reminded, , finished, moved] = videos;
    await redis.hset(reminderKey(reminded!), { timestamp: someTime });
    await redis.hset(reminderKey(finished!), { timestamp: someTime, finishedOn: someTime });
    await redis.hset(reminderKey(moved!), { timestamp: someTime });
    const standing = videos.map((video) => {
      return { video, reminderKey: reminderKey(video), wasDueAt: someTime + 0.5, dueAt };
    });
    await ledger.hold(moved!, someTime + 5);

    const without = await ledger.putOffStanding(standing);

    expect(without.map(({ request }) => request.prompt)).toEqual(["lost", "finished"]);
    const due = await Promise.all(videos.map(({ id }) => redis.zscore(keys.due, id)));
    expect(due.map((score) => Number(score) - someTime)).toEqual([10, 0.5, 0.5, 5]);
  });
});

describe("list", () => {
  async function listOf(count: number) {
    const { ledger, keys } = emptyLedger();
    const videos = Array.from({ length: count }, (_, index) =>
      aVideo("queued", { id: newVideoId(someTime + index * 10) }),
    );
    // Accepted in any order, listed by age.
    await Promise.all(videos.toReversed().map((video) => ledger.accept([{ video }])));
    return { ledger, keys, ids: videos.map(({ id }) => id) };
  }

  async function readAll(ledger: Ledger, order: "asc" | "desc", limit: number, list?: readonly Status[]) {
    const pages: VideoId[][] = [];
    for (let after: VideoId | undefined; ;) {
      const page = await ledger.list({ after, limit, order, statuses: list });
      pages.push(page.videos.map(({ id }) => id));
      after = pages.at(-1)?.at(-1);
      if (!page.hasMore) return pages;
    }
  }

  test.for(["asc", "desc"] as const)("pages %s hold every video once, by age", async (order) => {
    const { ledger, ids } = await listOf(23);

    const pages = await readAll(ledger, order, 5);

    expect(pages.map(({ length }) => length)).toEqual([5, 5, 5, 5, 3]);
    expect(pages.flat()).toEqual(order === "asc" ? ids : ids.toReversed());
  });

  test("a last page that is just full says that there is no more", async () => {
    const { ledger } = await listOf(10);

    expect((await readAll(ledger, "asc", 5)).map(({ length }) => length)).toEqual([5, 5]);
  });

  test("pages stay true while videos come", async () => {
    const { ledger, ids } = await listOf(10);
    const first = await ledger.list({ limit: 4, order: "desc" });
    await ledger.accept([{ video: aVideo("queued", { id: newVideoId(someTime + 60_000) }) }]);

    const second = await ledger.list({ limit: 4, order: "desc", after: first.videos.at(-1)?.id });

    expect([...first.videos, ...second.videos].map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 8));
  });

  test("the statuses that a word of the OpenAI shape stands for are one list, by age", async () => {
    const { ledger, ids } = await listOf(12);
    for (const [index, id] of ids.entries()) {
      const video = await ledger.read(id);
      if (!video || index % 3 === 0) continue;
      const submitting = await moved(ledger, video, "submitting");
      if (index % 3 === 2) await moved(ledger, submitting, "rendering");
    }

    const meant = (word: string) => statuses.filter((status) => publicStatus[status] === word);
    const waiting = await readAll(ledger, "desc", 3, meant("queued"));
    const rendering = await readAll(ledger, "asc", 3, meant("in_progress"));

    expect(waiting.flat()).toEqual(ids.filter((_, index) => index % 3 !== 2).toReversed());
    expect(rendering.flat()).toEqual(ids.filter((_, index) => index % 3 === 2));
    expect(await ledger.list({ limit: 5, order: "asc", statuses: meant("completed") })).toEqual({
      videos: [],
      hasMore: false,
    });
  });

  test("counts agree with what is listed", async () => {
    const { ledger, ids } = await listOf(4);
    const video = await ledger.read(ids[0]!);
    await moved(ledger, video!, "cancelled");

    expect(await ledger.counts()).toEqual({
      queued: 3,
      submitting: 0,
      in_doubt: 0,
      rendering: 0,
      downloading: 0,
      stored: 0,
      failed: 0,
      cancelled: 1,
    });
  });
});

describe("a record that cannot be read", () => {
  const damages: Record<string, (record: string, video: Video) => string> = {
    "is not JSON": () => "1 queued {half",
    "is empty of meaning": () => "1 queued null",
    "has no head": (record) => record.slice(record.indexOf("{")),
    "was written by a newer version": (record) => record.replace('"schema":2', '"schema":3'),
    "says another version in its head than in its body": (record) => record.replace(/^1 /, "2 "),
    "says another status in its head than in its body": (record) => record.replace(/^1 queued/, "1 failed"),
    "is another video's": (record, { id }) => record.replace(id, newVideoId(someTime)),
    "lacks a field": (record) => record.replace(/"prompt":"[^"]*",/, ""),
  };

  test.for(Object.entries(damages))(
    "one that %s is refused, left as it is, and left out of lists",
    async ([, damage]) => {
      const { ledger, keys } = emptyLedger();
      const [sound, broken] = [aVideo("queued"), aVideo("queued")];
      await Promise.all([ledger.accept([{ video: sound }]), ledger.accept([{ video: broken }])]);
      const damaged = damage((await redis.get(keys.video(broken.id))) ?? "", broken);
      await redis.set(keys.video(broken.id), damaged);

      await expect(ledger.read(broken.id)).rejects.toThrow(CorruptRecordError);
      await expect(ledger.read(broken.id)).rejects.toMatchObject({ code: "corrupt_record", id: broken.id });

      const page = await ledger.list({ limit: 10, order: "asc" });
      expect(page.videos).toEqual([sound]);
      expect(await redis.get(keys.video(broken.id))).toBe(damaged);
    },
  );
});

describe("events", () => {
  test("each move is one event, in order, readable from any of them on", async () => {
    const { ledger } = emptyLedger();
    const queued = aVideo("queued");
    await ledger.accept([{ video: queued }]);
    const submitting = await moved(ledger, queued, "submitting");
    const rendering = await moved(ledger, submitting, "rendering");
    const looked = await moved(ledger, rendering, "rendering");
    await moved(ledger, looked, "downloading");

    const events = await videoEvents(ledger, { limit: 10 });

    // A look that changed nothing is no event, but it is a version.
    expect(events.map(({ status, version }) => `${version} ${status}`)).toEqual([
      "1 queued",
      "2 submitting",
      "3 rendering",
      "5 downloading",
    ]);
    expect(await ledger.events({ after: events[1]!.id, limit: 10 })).toEqual(events.slice(2));
    expect(await ledger.events({ after: "0", limit: 2 })).toEqual(events.slice(0, 2));
    expect(await ledger.events({ after: events[3]!.id, limit: 10 })).toEqual([]);
  });
});

describe("whatever happens in whatever order", () => {
  test.for([1, 2, 3, 4])("indexes, due times, places and events agree with the records (seed %i)", async (seed) => {
    const { ledger, keys } = emptyLedger();
    const dice = seededDice(seed);
    const videos = new Map<VideoId, Video>();
    const old = new Map<VideoId, Video>();
    let events = 0;
    let staleMoves = 0;
    for (let step = 0; step < 500; step += 1) {
      const known = [...videos.values()];
      if (known.length === 0 || dice() < 0.1) {
        const video = aVideo("queued", { id: newVideoId(someTime + step) });
        await ledger.accept([{ video }]);
        videos.set(video.id, video);
        events += 1;
        continue;
      }
      const current = pick(known, dice);
      // Now and then somebody comes with what was true once.
      const stale = dice() < 0.15 ? old.get(current.id) : undefined;
      const from = stale ?? current;
      const targets = statuses.filter((to) => isAllowed(from.status, to));
      if (targets.length === 0) continue;
      const next = inStatus(from, pick(targets, dice), { dueAt: someTime + step });
      const entersLane = from.status === "queued" && next.status === "submitting";
      const advance = await ledger.advance(from, next, entersLane ? { leave: leaveOf({ inFlight: 5 }) } : {});
      if (advance.kind !== "moved") continue;
      if (stale) staleMoves += 1;
      old.set(from.id, from);
      videos.set(from.id, advance.video);
      if (from.status !== advance.video.status) events += 1;
    }

    expect(staleMoves).toBe(0);
    const records = [...videos.values()];
    for (const video of records) expect(await ledger.read(video.id)).toEqual(video);
    for (const status of statuses) {
      const ids = records.filter((video) => video.status === status).map(({ id }) => id);
      expect(await redis.zrange(keys.status("default", status), "-", "+", "BYLEX"), status).toEqual(ids.sort());
    }
    const open = records.filter(({ status }) => !isFinal(status));
    expect(new Map(pairs(await redis.zrange(keys.due, "0", "-1", "WITHSCORES")))).toEqual(
      new Map(open.map(({ id, dueAt }) => [id, dueAt])),
    );
    const inLane = records.filter(({ status }) => ["submitting", "in_doubt", "rendering"].includes(status));
    expect(await redis.zrange(keys.places(someLane.upstream), "0", "-1")).toEqual(
      inLane.map(({ id }) => `${someLane.model} ${id}`).sort(),
    );
    expect(inLane.length).toBeLessThanOrEqual(5);
    const stream = await videoEvents(ledger, { limit: 10_000 });
    expect(stream).toHaveLength(events);
    for (const { id, status } of records) {
      const own = stream.filter(({ video }) => video === id);
      expect(own.at(-1)?.status).toBe(status);
      expect(own.map(({ version }) => version)).toEqual(own.map(({ version }) => version).sort((a, b) => a - b));
    }
  });
});

function pairs(flat: string[]): [string, number][] {
  return flat.flatMap((id, index) => (index % 2 === 0 ? [[id, Number(flat[index + 1])] as [string, number]] : []));
}

const pick = <T>(list: readonly T[], dice: () => number): T => list[Math.floor(dice() * list.length)] as T;

/** Mulberry32: the same seed, the same sequence. */
function seededDice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
