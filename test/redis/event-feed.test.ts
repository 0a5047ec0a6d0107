import { EventEmitter, on } from "node:events";
import { newVideoId, type VideoId } from "@reelq/contract";
import { type Engine, type EventFeed, type Interest, isBefore, openEventFeed } from "@reelq/engine";
import * as fc from "fast-check";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startTestApi, type TestApi } from "../support/api.ts";
import { redisServerProgram, startRedis, type TestRedis } from "../support/redis.ts";
import { someTime } from "../support/video.ts";

let redis: TestRedis;
let api: TestApi;
let engine: Engine;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
  engine = api.engine;
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

function openFeed(on: Engine = engine): EventFeed {
  const feed = openEventFeed(on);
  onTestFinished(() => feed.close());
  return feed;
}

/** What an event of the stream is about. */
interface Subject {
  readonly project: string;
  readonly video: VideoId;
}

const aSubject = (project: string): Subject => ({ project, video: newVideoId(someTime) });

/** Events as the ledger's scripts write them, in one go. */
async function happen(...subjects: readonly Subject[]): Promise<string[]> {
  const pipeline = engine.redis.pipeline();
  for (const { project, video } of subjects)
    pipeline.xadd(
      engine.keys.events,
      "*",
      "project",
      project,
      "video",
      video,
      "version",
      1,
      "status",
      "queued",
      "at",
      1,
    );
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, id]) => {
    if (error) throw error;
    return id as string;
  });
}

/** Somebody who hears, and is full after so many events that it did not yet read. */
class Hearer extends EventEmitter<{ more: [] }> {
  readonly heard: string[] = [];
  readonly texts: string[] = [];
  readonly stop: () => void;
  /** Told though it was full. */
  tooMany = 0;
  #room: number;
  #unread = 0;
  #wake: (() => void) | undefined;

  constructor(feed: EventFeed, interest: Interest, after: string, room = Infinity) {
    super();
    this.#room = room;
    let stop: (() => void) | undefined;
    const listen = (from: string): void => {
      stop = feed.listen(interest, from, {
        tell: ({ event, text }) => {
          if (this.#unread >= this.#room) this.tooMany += 1;
          this.heard.push(event.id);
          this.texts.push(text);
          this.#unread += 1;
          this.emit("more");
          return this.#unread < this.#room;
        },
        ready: () =>
          new Promise((resolve) => {
            this.#wake = resolve;
            if (this.#unread < this.#room) resolve();
          }),
        caughtUp: async () => (await engine.redis.ping()) === "PONG",
        // Whoever is cut comes again, from where it was.
        failed: () => void setTimeout(() => listen(this.heard.at(-1) ?? after), 20),
      });
    };
    listen(after);
    this.stop = () => stop?.();
  }

  /** Makes room again. */
  read(room = this.#room): void {
    this.#room = room;
    this.#unread = 0;
    this.#wake?.();
  }

  async hears(id: string): Promise<void> {
    const isHeard = () => this.heard.length > 0 && !isBefore(this.heard.at(-1) ?? "", id);
    if (isHeard()) return;
    for await (const _ of on(this, "more", { signal: AbortSignal.timeout(10_000) })) if (isHeard()) return;
  }
}

const isAbout = ({ project, video }: Interest, subject: Subject): boolean =>
  (project === undefined || project === subject.project) && (video === undefined || video === subject.video);

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("happen" as const),
      which: fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }),
      times: fc.oneof(
        { weight: 8, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.integer({ min: 30, max: 90 }) },
      ),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("join" as const),
      interest: fc.nat(6),
      /** How much of what happened so far it wants to hear again. */
      past: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
      room: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read" as const), who: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), who: fc.nat(20) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("pass" as const), pings: fc.integer({ min: 1, max: 8 }) }) },
);

test("whoever joins, resumes, reads slowly or leaves hears exactly its own events, in order, each once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 40 }), async (steps) => {
      const feed = openEventFeed(engine);
      const subjects = ["studio", "studio", "film", "film"].map(aSubject);
      const interests: readonly Interest[] = [{}, { project: "studio" }, { project: "film" }, ...subjects];
      const happened = new Map<string, Subject>();
      const pending: Promise<void>[] = [];
      const hearers: { readonly hearer: Hearer; readonly interest: Interest; readonly after: string; left: boolean }[] =
        [];
      const add = async (which: readonly Subject[]): Promise<void> => {
        const ids = await happen(...which);
        for (const [index, id] of ids.entries()) happened.set(id, which[index]!);
      };
      for (const step of steps) {
        if (step.kind === "happen") {
          const which = Array.from({ length: step.times }, () => step.which.map((one) => subjects[one]!)).flat();
          pending.push(add(which));
          if (step.isAwaited) await pending.at(-1);
        } else if (step.kind === "join") {
          const known = [...happened.keys()].toSorted((one, other) => (isBefore(one, other) ? -1 : 1));
          const after = known[Math.floor((1 - step.past) * known.length) - 1];
          const interest = interests[step.interest]!;
          const from = step.past > 0 && after !== undefined ? after : await feed.end();
          hearers.push({ hearer: new Hearer(feed, interest, from, step.room), interest, after: from, left: false });
        } else if (step.kind === "pass") {
          // As long as Redis takes to answer so often.
          for (let ping = 0; ping < step.pings; ping += 1) await engine.redis.ping();
        } else {
          const one = hearers[step.who % Math.max(1, hearers.length)];
          if (step.kind === "read") one?.hearer.read();
          else if (one) {
            one.hearer.stop();
            one.left = true;
          }
        }
      }
      await Promise.all(pending);
      await add(subjects);
      const all = [...happened].toSorted(([one], [other]) => (isBefore(one, other) ? -1 : 1));
      for (const { hearer, interest, after, left } of hearers) {
        const own = all.filter(([id, subject]) => isBefore(after, id) && isAbout(interest, subject)).map(([id]) => id);
        hearer.read(Infinity);
        if (!left) await hearer.hears(own.at(-1) ?? "");
        expect(hearer.heard).toEqual(left ? own.slice(0, hearer.heard.length) : own);
        expect(hearer.tooMany).toBe(0);
        hearer.stop();
      }
      expect(feed.size).toBe(0);
      feed.close();
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

/** The connections on which somebody waits for events. */
async function readers(): Promise<string[]> {
  const list = (await engine.redis.client("LIST")) as string;
  return list.split("\n").filter((line) => line.includes("cmd=xread"));
}

async function untilReaders(count: number): Promise<string[]> {
  for (;;) {
    const found = await readers();
    if (found.length === count) return found;
  }
}

test("one connection reads for all, and none for nobody", async () => {
  const feed = openFeed();
  const subject = aSubject("studio");
  const end = await feed.end();
  const hearers = [{}, { video: subject.video }, { project: "studio" }].map((one) => new Hearer(feed, one, end));
  const [id = ""] = await happen(subject);
  await Promise.all(hearers.map((hearer) => hearer.hears(id)));
  await untilReaders(1);
  for (const hearer of hearers) hearer.stop();
  await untilReaders(0);
  const late = new Hearer(feed, {}, id);
  const [next = ""] = await happen(subject);
  await late.hears(next);
  expect(late.heard).toEqual([next]);
  feed.close();
  expect(feed.size).toBe(0);
  await untilReaders(0);
});

test("a reader whose connection is killed goes on where it was", async () => {
  const feed = openFeed();
  const hearer = new Hearer(feed, {}, await feed.end());
  const told: string[] = [];
  for (let times = 0; times < 5; times += 1) {
    told.push(...(await happen(aSubject("studio"))));
    await hearer.hears(told.at(-1) ?? "");
    const [line = ""] = await untilReaders(1);
    await engine.redis.client("KILL", "ID", /\bid=(\d+)/.exec(line)?.[1] ?? "");
    told.push(...(await happen(aSubject("film"))));
  }
  await hearer.hears(told.at(-1) ?? "");
  expect(hearer.heard).toEqual(told);
  hearer.stop();
});

test("a record that cannot be read is told by its id, and not as deleted", async () => {
  const feed = openFeed();
  const [unreadable, deleted] = [aSubject("studio"), aSubject("studio")];
  await engine.redis.set(engine.keys.video(unreadable.video), "1 queued {}");
  const hearer = new Hearer(feed, {}, await feed.end());
  const ids = await happen(unreadable, deleted);
  await hearer.hears(ids.at(-1) ?? "");
  expect(hearer.texts.map((text) => (JSON.parse(text) as { data: unknown }).data)).toEqual([
    { id: unreadable.video },
    { id: deleted.video, object: "video.deleted" },
  ]);
  hearer.stop();
});

test("a crowd that resumes far back reads a few pages at a time", async () => {
  const rare = aSubject("studio");
  const others = Array.from({ length: 1_000 }, () => aSubject("film"));
  const after = (await happen(rare))[0] ?? "";
  const own: string[] = [];
  for (let rounds = 0; rounds < 3; rounds += 1) {
    await happen(...others);
    own.push(...(await happen(rare)));
  }
  let reading = 0;
  let most = 0;
  let longest = 0;
  // The same connection, with its reads counted.
  const counted = new Proxy(engine.redis, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (name !== "xrange") return typeof member === "function" ? (member.bind(target) as unknown) : member;
      return async (...args: Parameters<Redis["xrange"]>) => {
        reading += 1;
        most = Math.max(most, reading);
        const page = await target.xrange(...args);
        longest = Math.max(longest, page.length);
        reading -= 1;
        return page;
      };
    },
  });
  const feed = openFeed({ ...engine, redis: counted });
  const crowd = Array.from({ length: 60 }, () => new Hearer(feed, { video: rare.video }, after));
  await Promise.all(crowd.map((hearer) => hearer.hears(own.at(-1) ?? "")));
  for (const { heard } of crowd) expect(heard).toEqual(own);
  expect(most).toBe(4);
  expect(longest).toBe(200);
  for (const hearer of crowd) hearer.stop();
});

test.skipIf(redisServerProgram === undefined)(
  "nothing is lost while Redis hangs, or is killed and comes back",
  async () => {
    const subjects = [aSubject("studio"), aSubject("film")];
    const feed = openFeed();
    const end = await feed.end();
    const hearers = [{}, { project: "studio" }, { video: subjects[1]?.video }].map((one) => new Hearer(feed, one, end));
    const slow = new Hearer(feed, {}, end, 1);
    const told = await happen(...subjects);
    await Promise.all(hearers.map((hearer) => hearer.hears(told.at(-1 - Number(hearer === hearers[1])) ?? "")));
    for (const trouble of ["hangs", "dies"] as const) {
      if (trouble === "hangs") process.kill(redis.pid, "SIGSTOP");
      else await redis.restart();
      slow.read();
      // One that comes in the middle of it.
      hearers.push(new Hearer(feed, {}, end));
      if (trouble === "hangs") {
        await engine.redis.ping().catch(() => undefined);
        process.kill(redis.pid, "SIGCONT");
      }
      await api.engine.redis.ping().catch(() => api.engine.redis.ping());
      told.push(...(await happen(...subjects)));
    }
    slow.read(Infinity);
    const last = told.at(-1) ?? "";
    await Promise.all(
      [...hearers, slow].map((hearer) => hearer.hears(hearer === hearers[1] ? (told.at(-2) ?? "") : last)),
    );
    expect(hearers.map(({ heard }) => heard)).toEqual([
      told,
      told.filter((_, index) => index % 2 === 0),
      told.filter((_, index) => index % 2 === 1),
      told,
      told,
    ]);
    expect(slow.heard).toEqual(told);
    for (const hearer of [...hearers, slow]) hearer.stop();
  },
);
