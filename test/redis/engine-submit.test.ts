import { randomBytes } from "node:crypto";
import { openPerson, type Storage } from "@reelq/engine";
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import {
  type Bench,
  type BenchOptions,
  caller,
  movableClock,
  delegate,
  openBench,
  tinyModel,
} from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { inFlightOf, inStatus } from "../support/video.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open({ onTestFinished }: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const bench = await openBench(redis, options);
  onTestFinished(() => bench.close());
  return bench;
}

/** A PNG by its head, and noise that no compression makes small. */
const image = Buffer.concat([
  Buffer.from("89504e470d0a1a0a0000000d494844520000004000000040080200000025", "hex"),
  randomBytes(300_000),
]);

/** A POST is given up, and proved absent, within seconds. */
const impatient = { headersMs: 1500, totalMs: 1500 };

const times = ({ simulator }: Bench): number[] => simulator.posts().map(({ at }) => Date.parse(at));

describe.concurrent("a create that is refused for now", () => {
  test("a throttled lane rests as long as it was told, and nothing counts as an attempt", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator, engine } = bench;
    simulator.addFault({ on: "create", do: "throttle", with: { retryAfterSeconds: 2 } });
    const rested = recorded(engine.facts, "laneRested");
    const throttled = until(
      engine.facts,
      "moved",
      ({ from }) => from === "submitting",
      "the first is back in the queue",
    );
    const first = await bench.create("first");
    const waiting = (await throttled).video;
    const second = await bench.create("second");

    const videos = [await bench.reach(first.id, "stored"), await bench.reach(second.id, "stored")];

    expect(waiting).toMatchObject({ status: "queued", waiting: { reason: "throttled" }, attempts: [] });
    const [refused = 0, ...sent] = times(bench);
    for (const at of sent) expect(at - refused).toBeGreaterThanOrEqual(1990);
    expect(sent).toHaveLength(2);
    expect(rested[0]?.reason).toMatch(/throttled/);
    expect(videos.map(({ attempts }) => attempts.length)).toEqual([1, 1]);
    expect(videos.map(({ setbacks }) => setbacks.throttled)).toEqual([1, 0]);
  });

  test.for([
    { do: "status", with: { status: 401 }, code: "invalid_api_key" },
    { do: "no_quota", with: {}, code: "insufficient_quota" },
  ] as const)(
    "an account that refuses ($code) fails no video and stops the lane until it is repaired",
    async (fault, context) => {
      const { expect } = context;
      const bench = await open(context);
      const { simulator, engine } = bench;
      simulator.addFault({ on: "create", do: fault.do, with: fault.with, times: 0 });
      const stopped = until(engine.facts, "accountStopped", () => true, "the account refuses");
      const back = until(engine.facts, "moved", ({ from }) => from === "submitting", "it is back in the queue");
      const rested = until(engine.facts, "laneRested", () => true, "the lane rests");
      const first = await bench.create("first");
      expect(await stopped).toMatchObject({ code: fault.code });
      await back;
      const second = await bench.create("second");
      expect((await rested).reason).toMatch(/nothing is sent to main/);

      expect(await bench.read(first.id)).toMatchObject({
        status: "queued",
        waiting: { reason: "account" },
        attempts: [],
      });
      expect(await bench.read(second.id)).toMatchObject({ status: "queued", attempts: [] });
      expect(simulator.posts()).toHaveLength(1);

      simulator.clearFaults();
      await engine.redis.del(engine.keys.breaker(first.lane.upstream));
      await bench.reach(second.id, "stored");
    },
  );

  test("an upstream that is away is tried again, and nothing counts as an attempt", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator, engine } = bench;
    simulator.restart({ downMs: 1000 });
    const back = until(engine.facts, "moved", ({ from }) => from === "submitting", "it is back in the queue");
    const { id } = await bench.create("away");

    expect((await back).video).toMatchObject({ status: "queued", waiting: { reason: "not_sent" }, attempts: [] });
    const stored = await bench.reach(id, "stored");

    expect(stored.attempts).toHaveLength(1);
    expect(stored.setbacks.notSent).toBeGreaterThan(0);
    expect(simulator.posts()).toHaveLength(1);
  });

  test("a worker that was frozen between its intent and its POST sends nothing", async (context) => {
    const { expect } = context;
    const clock = movableClock();
    const bench = await open(context, { clock });
    const { simulator, engine } = bench;
    engine.facts.once("moved", () =>
      engine.facts.once("moved", ({ video }) => {
        expect(video.status).toBe("submitting");
        clock.skip(60_000);
      }),
    );
    const back = until(engine.facts, "moved", ({ from }) => from === "submitting", "it is back in the queue");
    const { id } = await bench.create("frozen");

    expect((await back).video).toMatchObject({ status: "queued", waiting: { reason: "not_sent" } });
    expect(simulator.posts()).toEqual([]);
    await bench.reach(id, "stored");
    expect(simulator.posts()).toHaveLength(1);
  });
});

describe.concurrent("a create that is refused for good", () => {
  test("fails the video, uncharged, and nobody else's", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator } = bench;
    simulator.addFault({
      on: "create",
      do: "status",
      prompt: "bad",
      with: { status: 400, code: "bad_request", message: "No." },
    });
    simulator.addFault({
      on: "create",
      do: "status",
      prompt: "rude",
      with: { status: 400, code: "moderation_blocked" },
    });
    const [bad, rude, good] = [await bench.create("bad"), await bench.create("rude"), await bench.create("good")];

    const refused = await bench.reach(bad.id, "failed");
    const moderated = await bench.reach(rude.id, "failed");
    await bench.reach(good.id, "stored");

    expect(refused.failure).toMatchObject({
      class: "refused",
      code: "bad_request",
      message: expect.stringContaining("No."),
    });
    expect(moderated.failure).toMatchObject({ class: "moderated", code: "moderation_blocked" });
    for (const { attempts } of [refused, moderated])
      expect(attempts).toMatchObject([{ number: 1, outcome: "refused", charged: "no" }]);
    expect(simulator.posts()).toHaveLength(3);
    expect(await inFlightOf(bench.engine.ledger, bad.lane)).toBe(0);
  });
});

describe.concurrent("a create whose reply nobody can read", () => {
  const faults = [
    { do: "lose_reply" },
    { do: "reset", late: true },
    { do: "hang", late: true },
    { do: "garbage", late: true },
    { do: "html", late: true, with: { status: 502 } },
    { do: "status", late: true, with: { status: 504 } },
    { do: "status", late: true, with: { status: 500 } },
    { do: "json_error", late: true },
  ] as const;
  test.for(faults)("its task is found in the list and adopted, not paid for twice: $do", async (fault, context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: impatient });
    const { simulator } = bench;
    simulator.addFault({ on: "create", prompt: "lost", ...fault });
    const [lost, other] = [await bench.create("lost"), await bench.create("other")];

    const stored = await bench.reach(lost.id, "stored");
    await bench.reach(other.id, "stored");

    expect(stored.attempts).toMatchObject([{ number: 1, outcome: "adopted", task: stored.task.id, charged: "yes" }]);
    expect(stored.setbacks.doubts).toBe(1);
    expect(new Set(simulator.tasks().map(({ prompt }) => prompt))).toEqual(new Set(["lost", "other"]));
    expect(simulator.tasks().find(({ prompt }) => prompt === "lost")?.["id"]).toBe(stored.task.id);
    expect(simulator.posts()).toHaveLength(2);
  });

  test("a list that lags behind its creates is not taken for proof", async (context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: impatient });
    const { simulator } = bench;
    simulator.addFault({ on: "create", do: "lose_reply" });
    simulator.addFault({ on: "list", do: "hide", times: 4 });
    const { id } = await bench.create("late in the list");

    const stored = await bench.reach(id, "stored");

    expect(stored.attempts).toMatchObject([{ outcome: "adopted" }]);
    expect(simulator.looks().lists).toBeGreaterThan(4);
    expect(simulator.posts()).toHaveLength(1);
  });

  test("one that created nothing is sent again, once two whole lists a quiet time apart prove it", async (context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: impatient });
    const { simulator, engine } = bench;
    simulator.addFault({ on: "create", do: "reset" });
    const notes = recorded(engine.facts, "waited");
    const { id } = await bench.create("nothing");

    const stored = await bench.reach(id, "stored");

    expect(stored.attempts).toMatchObject([
      { number: 1, outcome: "created_nothing", charged: "no" },
      { number: 2, outcome: "accepted", charged: "yes" },
    ]);
    // Not before the POST can no longer be on its way.
    const [first = 0, second = 0] = times(bench);
    expect(second - first).toBeGreaterThanOrEqual(impatient.totalMs);
    expect(notes.map(({ note }) => note)).toContain("no match; looking once more");
    expect(simulator.tasks()).toHaveLength(1);
  });

  test("two alike are not told apart by guessing: a person says which is which", async (context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: impatient });
    const { simulator, engine, person } = bench;
    simulator.addFault({ on: "create", do: "lose_reply", times: 2 });
    const isHeld = ({ video }: { video: { status: string; doubt?: { held: boolean } } }) => video.doubt?.held === true;
    const held = until(engine.facts, "waited", isHeld, "a held doubt");
    const [one, two] = await Promise.all([bench.create("same"), bench.create("same")]);

    const { video, note } = await held;
    expect(video.status).toBe("in_doubt");
    expect(note).toMatch(/2 tasks .* match/);
    const [first, second] = simulator.tasks().map(({ id }) => String(id));
    await person.resolve(one.id, { kind: "task", task: first! }, caller);

    // The other one is then beyond doubt.
    expect((await bench.reach(one.id, "stored")).task.id).toBe(first);
    expect((await bench.reach(two.id, "stored")).task.id).toBe(second);
    expect(simulator.posts()).toHaveLength(2);
  });

  test("without a list it is held for a person, and its place in the lane is not given away", async (context) => {
    const { expect } = context;
    const bench = await open(context, { places: 1, simulator: { capabilities: { list: false } } });
    const { simulator, engine, person } = bench;
    simulator.addFault({ on: "create", do: "lose_reply" });
    const held = until(engine.facts, "waited", ({ note }) => /held for a person/.test(note), "a held doubt");
    const full = until(
      engine.facts,
      "laneRested",
      ({ reason }) => /the one place at main is taken/.test(reason),
      "a full lane",
    );
    const lost = await bench.create("lost");
    await held;
    const next = await bench.create("next");
    await full;

    expect(simulator.posts()).toHaveLength(1);
    await person.resolve(lost.id, { kind: "fail" }, caller);

    await bench.reach(next.id, "stored");
    expect(await bench.read(lost.id)).toMatchObject({ status: "failed", failure: { class: "declared" } });
    expect(simulator.posts()).toHaveLength(2);
  });

  test("keeps no place once no task of it can still run, and takes one again when its task turns up", async (context) => {
    const { expect } = context;
    const clock = movableClock();
    const bench = await open(context, {
      clock,
      places: 1,
      simulator: { capabilities: { list: false }, renderMs: 1_000 },
    });
    const { simulator, engine, person } = bench;
    simulator.addFault({ on: "create", do: "lose_reply" });
    const held = until(engine.facts, "waited", ({ note }) => /held for a person/.test(note), "a held doubt");
    const lost = await bench.create("lost");
    await held;
    const over = until(
      engine.facts,
      "waited",
      ({ video }) => video.status === "in_doubt" && video.doubt.over === true,
      "it is too old to run",
    );
    clock.skip(2 * 3_600_000);
    await over;
    expect(await inFlightOf(engine.ledger, lost.lane)).toBe(0);
    const next = await bench.create("next");
    await bench.reach(next.id, "stored");

    const [task] = simulator.tasks();
    const resolved = await person.resolve(lost.id, { kind: "task", task: String(task?.["id"]) }, caller);
    expect(resolved.status).toBe("rendering");
    expect(await inFlightOf(engine.ledger, lost.lane)).toBe(1);
    await bench.reach(lost.id, "stored");
    expect(await inFlightOf(engine.ledger, lost.lane)).toBe(0);
  });

  test("without a list the policy to resubmit sends it again, and says so", async (context) => {
    const { expect } = context;
    const simulator = { capabilities: { list: false } };
    const bench = await open(context, { doubtPolicy: "resubmit", timeouts: impatient, simulator });
    bench.simulator.addFault({ on: "create", do: "lose_reply" });
    const { id } = await bench.create("lost");

    const stored = await bench.reach(id, "stored");

    // Nothing proves that the first was free.
    expect(stored.attempts).toMatchObject([
      { number: 1, outcome: "given_up", charged: "unknown" },
      { number: 2, outcome: "accepted", charged: "yes" },
    ]);
    expect(bench.simulator.tasks()).toHaveLength(2);
  });
});

describe.concurrent("an intent whose worker is gone", () => {
  test("is judged although it takes the last place of its lane, and others wait there", async (context) => {
    const { expect } = context;
    const bench = await open(context, { places: 1, timeouts: impatient, working: false });
    const { ledger, fleet, clock } = bench.engine;
    const lost = await bench.create("its worker died");
    const others = [await bench.create("second"), await bench.create("third")];
    const now = clock.now();
    const attempts = [{ number: 1, upstream: "main", intentAt: now, postBy: now, charged: "unknown" as const }];
    const intent = inStatus(lost, "submitting", { attempts, worker: "gone", dueAt: now });
    expect((await ledger.advance(lost, intent, { leave: fleet.limitsOf(lost.lane) })).kind).toBe("moved");

    await bench.work();

    const stored = await Promise.all([lost, ...others].map(({ id }) => bench.reach(id, "stored", 30_000)));
    expect(stored[0]?.attempts.map(({ outcome }) => outcome)).toEqual(["created_nothing", "accepted"]);
    expect(bench.simulator.posts()).toHaveLength(3);
  });
});

describe.concurrent("a lane with places", () => {
  test("never has more renders than places, and is kept busy", async (context) => {
    const { expect } = context;
    const bench = await open(context, { places: 2, simulator: { renderMs: 300 } });
    const { simulator, engine } = bench;
    const full = recorded(engine.facts, "laneRested");
    const videos = await Promise.all(Array.from({ length: 10 }, (_, index) => bench.create(`prompt ${index}`)));
    await bench.work();

    await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", 40_000)));

    expect(simulator.looks().renders.peak).toBe(2);
    const sent = times(bench);
    const tookMs = Math.max(...sent) - Math.min(...sent);
    // Five rounds of a render, a look that is late by half a second at most, and a rest of half a second.
    expect(tookMs).toBeLessThan(15_000);
    // A full lane is asked now and then, not without pause: two workers, twice a second, for two reminders each.
    expect(full.length).toBeLessThan((tookMs / 1000 + 2) * 20);
  });
});

describe.concurrent("a reference image", () => {
  test("reaches the upstream unchanged, and nothing of it is in Redis", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator, engine } = bench;

    const { id, request } = await bench.create("with a picture", {}, image);
    await bench.reach(id, "stored");

    expect(request.reference).toMatchObject({ bytes: image.length, contentType: "image/png", width: 64, height: 64 });
    const [post] = simulator.posts();
    expect(post?.file).toMatchObject({ bytes: image.length, sha256: request.reference?.sha256 });
    const sample = image.subarray(1000, 1048);
    for (const key of await engine.redis.keys(`${engine.keys.prefix}*`)) {
      const value = await engine.redis.dumpBuffer(key);
      expect(value?.includes(sample), key).not.toBe(true);
      expect(value?.includes(sample.toString("base64")), key).not.toBe(true);
      expect(value?.length ?? 0, key).toBeLessThan(100_000);
    }
  });

  test("one that is gone from storage fails the video before anything is sent", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const { id, request } = await bench.create("with a picture", {}, image);
    await bench.engine.storage.remove(`references/${request.reference?.sha256}.png`);

    await bench.work();

    const failed = await bench.reach(id, "failed");
    expect(failed).toMatchObject({ failure: { class: "unsendable" }, attempts: [] });
    expect(bench.simulator.posts()).toEqual([]);
  });
});

describe.concurrent("a remix", () => {
  test("is refused before anything is sent where the operator says that the upstream cannot", async (context) => {
    const { expect } = context;
    const bench = await open(context, { capabilities: { remix: false } });
    const { id } = await bench.create("a source");
    await bench.reach(id, "stored");
    await expect(bench.producer.remix(id, { prompt: "again" }, caller)).rejects.toMatchObject({
      problems: [{ code: "conflict", message: expect.stringContaining("main, which cannot remix") }],
    });
    expect(bench.simulator.posts()).toHaveLength(1);
  });

  test("starts from our id or from the upstream's id of the task, and goes to its remix call", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { ids: "colons" } });
    const { simulator, producer } = bench;
    const source = await bench.reach((await bench.create("a cat")).id, "stored");

    const remixes = [
      await producer.remix(source.id, { prompt: "at night" }, caller),
      await producer.remix(source.task.id, { prompt: "in snow" }, caller),
    ];

    for (const { video } of remixes) {
      const stored = await bench.reach(video.id, "stored");
      expect(stored.request).toMatchObject({
        model: tinyModel,
        seconds: 1,
        size: "64x64",
        remixOf: { video: source.id },
      });
    }
    const path = `/v1/videos/${encodeURIComponent(source.task.id)}/remix`;
    expect(simulator.posts().map((post) => [post.path, post.prompt])).toEqual([
      ["/v1/videos", "a cat"],
      [path, "at night"],
      [path, "in snow"],
    ]);
    expect(simulator.tasks().map((task) => task["remixed_from_video_id"])).toEqual([
      null,
      source.task.id,
      source.task.id,
    ]);
  });

  test("is refused for what is not stored, and for ids that nobody knows", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const { id } = await bench.create("a cat");

    await expect(bench.producer.remix(id, { prompt: "p" }, caller)).rejects.toMatchObject({ code: "not_ready" });
    await expect(bench.producer.remix("video_1", { prompt: "p" }, caller)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe.concurrent("promise 7: a cancel is never overwritten: one", () => {
  test("of a queued video is free and final: nothing is sent for it, ever", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const [gone, stays] = [await bench.create("gone"), await bench.create("stays")];

    const cancelled = await bench.person.cancel(gone.id, false, caller);
    await bench.work();
    await bench.reach(stays.id, "stored");

    expect(cancelled).toMatchObject({ status: "cancelled", abandoned: false, attempts: [] });
    expect(await bench.read(gone.id)).toEqual(cancelled);
    expect(await bench.person.cancel(gone.id, false, caller)).toEqual(cancelled);
    expect(bench.simulator.posts().map(({ prompt }) => prompt)).toEqual(["stays"]);
  });

  test("that comes while the submit prepares wins: nothing is sent", async (context) => {
    const { expect } = context;
    const preparing = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const slow = (room: Storage): Storage => ({
      ...delegate(room),
      // The image is read between the record and the intent.
      async get(key, range) {
        preparing.resolve();
        await cancelled.promise;
        return room.get(key, range);
      },
    });
    const bench = await open(context, { storage: slow });
    const fenced = until(bench.engine.facts, "fenced", ({ wanted }) => wanted === "submitting", "the late intent");
    const { id } = await bench.create("gone", {}, image);
    await preparing.promise;

    await bench.person.cancel(id, false, caller);
    cancelled.resolve();

    expect(await fenced).toMatchObject({ id, task: null });
    expect(await bench.read(id)).toMatchObject({ status: "cancelled", attempts: [] });
    expect(bench.simulator.posts()).toEqual([]);
  });

  test("that is decided while the submit goes out comes too late, and is refused", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const { engine, producer, simulator } = bench;
    const { id } = await bench.create("sent");
    let reads = 0;
    const slow = openPerson(engine, {
      async read(...call) {
        const video = await producer.read(...call);
        if ((reads += 1) === 1) {
          const sent = until(engine.facts, "moved", (fact) => fact.video.status === "rendering", "it renders");
          await bench.work();
          await sent;
        }
        return video;
      },
    });

    await expect(slow.cancel(id, false, caller)).rejects.toMatchObject({ code: "conflict" });

    expect(reads).toBe(2);
    await bench.reach(id, "stored");
    expect(simulator.posts()).toHaveLength(1);
  });

  test("of a render is refused, unless what was paid is abandoned by name", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { renderMs: 600_000 } });
    const { person, simulator, engine } = bench;
    const { id, lane } = await bench.create("paid");
    const rendering = await bench.reach(id, "rendering");

    await expect(person.cancel(id, false, caller)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("abandon"),
    });
    expect(await bench.read(id)).toMatchObject({ status: "rendering" });
    const stale = until(engine.facts, "staleReminder", (fact) => fact.id === id, "the look that came too late");
    const cancelled = await person.cancel(id, true, caller);
    simulator.complete();
    await stale;

    expect(cancelled).toMatchObject({ status: "cancelled", abandoned: true, task: { id: rendering.task.id } });
    expect(await bench.read(id)).toEqual(cancelled);
    expect(await inFlightOf(engine.ledger, lane)).toBe(0);
    expect(simulator.looks().contents).toBe(0);
  });
});
