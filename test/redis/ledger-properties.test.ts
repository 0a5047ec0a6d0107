import {
  failureClasses,
  isAllowed,
  isFinal,
  ProblemError,
  type Status,
  statuses,
  type Task,
  type Video,
  type VideoId,
} from "@reelq/contract";
import {
  type Engine,
  type Ledger,
  openEngine,
  openFleet,
  openLedger,
  openPerson,
  openStorage,
  type Person,
  producerOn,
  type RequestMemory,
} from "@reelq/engine";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caller } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aTask, aVideo, endOf, inStatus, leaveOf, someLane, someTime } from "../support/video.ts";

let server: TestRedis;
let rival: Redis;
beforeAll(async () => {
  server = await startRedis();
  rival = new Redis(server.url);
});
afterAll(async () => {
  rival.disconnect();
  await server.stop();
});

const places = 6;
const holdsPlace = new Set<Status>(["submitting", "in_doubt", "rendering"]);

/** What must be in Redis, as simple as it can be said. */
interface Model {
  /** The newest first. */
  readonly videos: { readonly versions: Video[]; dueAt: number; alarmAt: number | undefined }[];
  readonly owners: Map<string, VideoId>;
  readonly keys: Map<string, { readonly id: VideoId; readonly fingerprint: string }>;
  readonly events: { readonly video: VideoId; readonly version: number; readonly status: Status; alarm?: string }[];
  isResting: boolean;
}

interface Real {
  readonly engine: Engine;
  readonly person: Person;
  /** The same ledger on a connection of its own. */
  readonly rival: Ledger;
}

type Command = fc.AsyncCommand<Model, Real>;

const nowOf = (videos: Model["videos"][number] | undefined): Video => {
  const [video] = videos?.versions ?? [];
  if (!video) throw new Error("The model has no such video.");
  return video;
};

/** A command that runs only once there is a video, on one of them; the indexes are compared with the model after it. */
function onVideo(pick: number, name: string, act: (at: number, model: Model, real: Real) => Promise<void>): Command {
  return {
    check: ({ videos }) => videos.length > 0,
    async run(model, real) {
      await act(pick % model.videos.length, model, real);
      await expectAgreement(model, real);
    },
    toString: () => `${name} of video ${pick}`,
  };
}

function accept(key: string | undefined, fingerprint: string): Command {
  return {
    check: () => true,
    async run(model, real) {
      const video = aVideo("queued", { lane: someLane, dueAt: someTime + model.events.length });
      const memory: RequestMemory | undefined =
        key === undefined ? undefined : { apiKey: "open", fingerprint, way: { kind: "key", key } };
      const known = key === undefined ? undefined : model.keys.get(key);
      const acceptance = await real.engine.ledger.accept([{ video, memory }]);
      if (known && known.fingerprint !== fingerprint)
        expect(acceptance).toEqual({ kind: "conflict", conflicts: [{ index: 0, ...known }] });
      else if (known) expect(acceptance).toEqual({ kind: "accepted", ids: [known.id] });
      else {
        expect(acceptance).toEqual({ kind: "accepted", ids: [video.id] });
        if (key !== undefined) model.keys.set(key, { id: video.id, fingerprint });
        model.videos.push({ versions: [video], dueAt: video.dueAt, alarmAt: undefined });
        model.events.push({ video: video.id, version: 1, status: "queued" });
      }
      await expectAgreement(model, real);
    },
    toString: () => `accept with key ${key} of ${fingerprint}`,
  };
}

interface Wish {
  /** The next one on the usual way, which of those that the table allows, or any. */
  readonly to: "onward" | number | Status;
  /** How many versions old what the mover knows is. */
  readonly stale: number;
  readonly task: string;
  readonly alarmAt: number | undefined;
  readonly restsLane: boolean;
  readonly keepsReminder: boolean;
}

function destinationOf(aim: Wish["to"], from: Status): Status {
  const allowed = statuses.filter((status) => isAllowed(from, status));
  if (aim === "onward")
    return allowed.findLast((status) => status !== "failed" && status !== "cancelled") ?? allowed[0] ?? from;
  return typeof aim === "string" ? aim : (allowed[aim % allowed.length] ?? from);
}

/** What a stage would ask the ledger for. */
function asked({ to: aim, stale, task: id, alarmAt, restsLane, keepsReminder }: Wish, model: Model, at: number) {
  const { versions } = model.videos[at] ?? { versions: [] };
  const before = versions[Math.min(stale, versions.length - 1)] ?? nowOf(undefined);
  const to = destinationOf(aim, before.status);
  const kept = "task" in before ? before.task : undefined;
  const task: Task = before.status === "rendering" && kept ? kept : aTask({ id });
  const next = inStatus(before, to, {
    dueAt: someTime + model.events.length + versions.length,
    ...(to === "rendering" ? { task } : {}),
  });
  const options = {
    ...(to === "submitting" ? { leave: leaveOf({ inFlight: places }) } : {}),
    ...(restsLane && to === "queued"
      ? { restLane: { ms: 3_600_000, reason: "throttled", said: true, sentAt: 0 } }
      : {}),
    ...(alarmAt === undefined ? {} : { alarmAt }),
    keepsReminder,
  };
  return { before, next, to, options, entersRendering: to === "rendering" && before.status !== "rendering", task };
}

const inFlight = ({ videos }: Model): number => videos.filter((one) => holdsPlace.has(nowOf(one).status)).length;

/** What the ledger must say to it; only `moved` changes anything. */
function foretell(wish: Wish, model: Model, at: number): string {
  const { before, to, entersRendering, task } = asked(wish, model, at);
  const one = model.videos[at];
  if (!isAllowed(before.status, to)) return "not allowed";
  if (before.version !== nowOf(one).version) return "changed";
  if (to === "submitting" && model.isResting) return "resting";
  if (to === "submitting" && inFlight(model) >= places) return "full";
  const owner = model.owners.get(task.id);
  return entersRendering && owner !== undefined && owner !== before.id ? "owned" : "moved";
}

/** Every status that a move led to, in any run. */
const reached = new Set<Status>();

function note(
  written: Video,
  { alarmAt, restsLane }: Pick<Wish, "alarmAt" | "restsLane">,
  model: Model,
  at: number,
): void {
  const one = model.videos[at];
  if (!one) return;
  const { id, version, status } = written;
  const before = nowOf(one);
  reached.add(status);
  if (status === "rendering") model.owners.set(written.task.id, id);
  if (restsLane && status === "queued") model.isResting = true;
  if (before.status !== status) model.events.push({ video: id, version, status });
  if (alarmAt !== undefined) one.alarmAt = alarmAt;
  else if (before.status !== status) one.alarmAt = undefined;
  one.dueAt = written.dueAt;
  one.versions.unshift(written);
}

const advance = (pick: number, wish: Wish): Command =>
  onVideo(pick, `advance ${JSON.stringify(wish)}`, async (at, model, { engine }) => {
    const { before, next, options } = asked(wish, model, at);
    const foretold = foretell(wish, model, at);
    if (foretold === "not allowed") {
      await expect(engine.ledger.advance(before, next, options)).rejects.toThrow("No move leads");
      return;
    }
    const outcome = await engine.ledger.advance(before, next, options);
    expect(endOf(outcome)).toBe(foretold);
    if (outcome.kind !== "moved") return;
    const version = before.version + 1;
    const reminder = wish.keepsReminder ? before.reminder : version;
    expect(outcome.video).toEqual({ ...next, version, reminder, updatedAt: someTime });
    note(outcome.video, wish, model, at);
  });

/** Two that know the same record want two moves at once, on two connections: one of them gets its way. */
const race = (pick: number, wishes: readonly [Wish, Wish]): Command =>
  onVideo(pick, `race ${JSON.stringify(wishes)}`, async (at, model, { engine, rival }) => {
    const fresh = wishes.map((wish) => ({ ...wish, stale: 0 }));
    const able = fresh.filter((wish) => foretell(wish, model, at) === "moved");
    const [one, other] = able;
    if (!one || !other) return;
    const calls = [engine.ledger, rival].map((ledger, index) => {
      const { before, next, options } = asked(index === 0 ? one : other, model, at);
      return ledger.advance(before, next, options);
    });
    const outcomes = await Promise.all(calls);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(["changed", "moved"]);
    for (const [index, outcome] of outcomes.entries())
      if (outcome.kind === "moved") note(outcome.video, index === 0 ? one : other, model, at);
  });

const hold = (pick: number, stale: number, dueAt: number): Command =>
  onVideo(pick, `hold until ${dueAt} by one who is ${stale} versions behind`, async (at, model, { engine }) => {
    const one = model.videos[at];
    const known = one?.versions[Math.min(stale, one.versions.length - 1)] ?? nowOf(one);
    const works = known.version === nowOf(one).version && !isFinal(known.status) && one?.dueAt !== dueAt;
    expect(await engine.ledger.hold(known, dueAt)).toBe(works);
    if (works && one) one.dueAt = dueAt;
  });

const raise = (pick: number, stale: number): Command =>
  onVideo(pick, `raise an alarm by one who is ${stale} versions behind`, async (at, model, { engine }) => {
    const one = model.videos[at];
    const known = one?.versions[Math.min(stale, one.versions.length - 1)] ?? nowOf(one);
    const works = known.version === nowOf(one).version && one?.alarmAt !== undefined;
    expect(await engine.ledger.raise(known, "overdue")).toBe(works);
    if (!works || !one) return;
    one.alarmAt = undefined;
    model.events.push({ video: known.id, version: known.version, status: known.status, alarm: "overdue" });
  });

type Order =
  | { readonly do: "cancel"; readonly abandon: boolean }
  | { readonly do: "retry"; readonly insist: boolean }
  | { readonly do: "resolve"; readonly kind: "resubmit" }
  | { readonly do: "resolve"; readonly kind: "fail" }
  | { readonly do: "resolve"; readonly kind: "task"; readonly task: string };

/** Where a person's order leads; undefined: it is refused. */
function destination(order: Order, video: Video, { owners }: Model): Status | undefined {
  const { status } = video;
  switch (order.do) {
    case "cancel":
      if (status === "queued" || status === "cancelled") return "cancelled";
      return order.abandon && (status === "rendering" || status === "downloading") ? "cancelled" : undefined;
    case "retry":
      if (status !== "failed") return undefined;
      return order.insist || failureClasses[video.failure.class].retry === "allowed" ? "queued" : undefined;
    case "resolve":
      if (status !== "in_doubt") return undefined;
      if (order.kind === "resubmit") return "queued";
      if (order.kind === "fail") return "failed";
      return [undefined, video.id].includes(owners.get(order.task)) ? "rendering" : undefined;
  }
}

const order = (pick: number, wanted: Order): Command =>
  onVideo(pick, JSON.stringify(wanted), async (at, model, { person }) => {
    const before = nowOf(model.videos[at]);
    const to = destination(wanted, before, model);
    const ordered = obey(person, before.id, wanted);
    if (to === undefined) {
      await expect(ordered).rejects.toBeInstanceOf(ProblemError);
      return;
    }
    const video = await ordered;
    expect(video.status).toBe(to);
    if (before.status === "cancelled") expect(video).toEqual(before);
    else {
      expect(video.version).toBe(before.version + 1);
      const alarmAt = to === "rendering" ? someTime + 3_600_000 : undefined;
      note(video, { alarmAt, restsLane: false }, model, at);
    }
  });

function obey(person: Person, id: VideoId, wanted: Order): Promise<Video> {
  switch (wanted.do) {
    case "cancel":
      return person.cancel(id, wanted.abandon, caller);
    case "retry":
      return person.retry(id, wanted.insist, caller);
    case "resolve":
      return person.resolve(id, wanted, caller);
  }
}

const endRest: Command = {
  check: ({ isResting }) => isResting,
  async run(model, { engine }) {
    await engine.redis.del(engine.keys.rest(someLane));
    model.isResting = false;
  },
  toString: () => "the lane's rest ends",
};

/** Records, indexes, owners and events are what the model says, all of them and nothing else. */
async function expectAgreement(model: Model, { engine }: Real): Promise<void> {
  const { redis, keys, ledger } = engine;
  const idsOf = (fits: (video: Video) => boolean) =>
    model.videos
      .map(nowOf)
      .filter(fits)
      .map(({ id }) => id)
      .sort();
  const scoresOf = (score: (one: Model["videos"][number]) => number | undefined) =>
    Object.fromEntries(
      model.videos.flatMap((one) => (score(one) === undefined ? [] : [[nowOf(one).id, String(score(one))]])),
    );
  const [records, all, due, alarms, taken, events, owners, ...indexes] = await Promise.all([
    Promise.all(model.videos.map((one) => ledger.read(nowOf(one).id))),
    redis.zrange(keys.videos, 0, "-1"),
    redis.zrange(keys.due, 0, "-1", "WITHSCORES"),
    redis.zrange(keys.alarms, 0, "-1", "WITHSCORES"),
    redis.zrange(keys.places(someLane.upstream), 0, "-1"),
    ledger.events({ after: "0", limit: 1_000 }),
    Promise.all([...model.owners].map(([task]) => ledger.ownerOf(someLane.upstream, task))),
    ...statuses.map((status) => redis.zrange(keys.status("default", status), 0, "-1")),
  ]);
  expect(records).toEqual(model.videos.map(nowOf));
  expect(all).toEqual(idsOf(() => true));
  expect(scored(due)).toEqual(scoresOf((one) => (isFinal(nowOf(one).status) ? undefined : one.dueAt)));
  expect(scored(alarms)).toEqual(scoresOf(({ alarmAt }) => alarmAt));
  expect(taken).toEqual(idsOf(({ status }) => holdsPlace.has(status)).map((id) => `${someLane.model} ${id}`));
  expect(events).toHaveLength(model.events.length);
  expect(events).toMatchObject(model.events.map((event) => ({ ...event, project: "default", at: someTime })));
  expect(owners).toEqual([...model.owners.values()]);
  for (const [index, status] of statuses.entries())
    expect(indexes[index]).toEqual(idsOf((video) => video.status === status));
}

const scored = (pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(pairs.flatMap((id, index) => (index % 2 === 0 ? [[id, pairs[index + 1] ?? ""]] : [])));

const pick = fc.nat(839);
const stale = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });
const task = fc.constantFrom("task-1", "task-2", "task-3");
const wish: fc.Arbitrary<Wish> = fc.record({
  to: fc.oneof(
    { weight: 3, arbitrary: fc.constant("onward" as const) },
    { weight: 6, arbitrary: fc.nat(839) },
    { weight: 1, arbitrary: fc.constantFrom(...statuses) },
  ),
  stale,
  task,
  alarmAt: fc.option(fc.nat(99), { nil: undefined }),
  restsLane: fc.nat(9).map((roll) => roll === 1),
  keepsReminder: fc.boolean(),
});
const anyOrder: fc.Arbitrary<Order> = fc.oneof(
  fc.record({ do: fc.constant("cancel" as const), abandon: fc.boolean() }),
  fc.record({ do: fc.constant("retry" as const), insist: fc.boolean() }),
  fc.constantFrom({ do: "resolve", kind: "resubmit" } as const, { do: "resolve", kind: "fail" } as const),
  fc.record({ do: fc.constant("resolve" as const), kind: fc.constant("task" as const), task }),
);

/** Moves come often, so that videos get far. */
const commands = fc.commands(
  [
    ...Array.from({ length: 2 }, () =>
      fc.tuple(fc.constantFrom(undefined, "key-1", "key-2"), fc.constantFrom("one", "two")).map((of) => accept(...of)),
    ),
    ...Array.from({ length: 8 }, () => fc.tuple(pick, wish).map((of) => advance(...of))),
    fc.tuple(pick, fc.tuple(wish, wish)).map((of) => race(...of)),
    fc.tuple(pick, stale, fc.nat(99)).map((of) => hold(...of)),
    fc.tuple(pick, stale).map((of) => raise(...of)),
    fc.tuple(pick, anyOrder).map((of) => order(...of)),
    fc.constant(endRest),
  ],
  { maxCommands: 250, size: "max" },
);

test("no sequence of moves, duplicates, orders and alarms breaks the table, or parts an index from the records", async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const engine = openEngine({
        redisUrl: server.url,
        fleet: openFleet({
          upstreams: { [someLane.upstream]: { url: "http://127.0.0.1:9/v1", models: [someLane.model] } },
        }),
        storage: openStorage("file:/nowhere", {}),
        patient: false,
        clock: { now: () => someTime },
        prefix: `{model-${(runs += 1)}}`,
      });
      const real: Real = {
        engine,
        person: openPerson(engine, producerOn(engine)),
        rival: openLedger(rival, engine.keys, engine.clock),
      };
      const model: Model = { videos: [], owners: new Map(), keys: new Map(), events: [], isResting: false };
      try {
        await fc.asyncModelRun(() => ({ model, real }), sequence);
      } finally {
        await engine.close();
      }
    }),
    { numRuns: process.env.CHAOS === "long" ? 2_000 : 40, unbiased: true },
  );
  expect([...reached].sort()).toEqual([...statuses].sort());
});
