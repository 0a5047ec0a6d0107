import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { DAY, HOUR, metricsText, MINUTE, SECOND } from "@reelq/engine";
import OpenAI from "openai";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aReceiver, aRoom, callerOf, type Hit, inOrder, type Room, skipWaits } from "../support/webhooks.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const caller = callerOf("default");
const whole = ["submitting", "rendering", "downloading", "stored"] as const;
const wholeStory = ["queued", ...whole].map((status) => `video.${status === "stored" ? "completed" : status}`);

const anEndpoint = ({ webhooks }: Room, url: string, events: readonly string[] = ["*"]) =>
  webhooks.create({ url, events: [...events], description: null }, caller);

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

const logOf = async ({ webhooks }: Room, id: string) =>
  (await webhooks.deliveries(id, { limit: 100 }, caller)).deliveries;

/** The next tries of all that is told from now on. */
const tried = (room: Room, fits: (fact: { type: string; status: string; target: string }) => boolean) =>
  until(room.engine.facts, "webhookTried", fits, "a webhook that is tried");

describe("what is sent", () => {
  test("is verified by the OpenAI SDK and by standardwebhooks, and by neither once a byte of it differs", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { signing } = await anEndpoint(room, receiver.url, ["video.completed"]);
    room.work();
    const video = await room.video(whole);
    await receiver.took(1);
    const [hit] = receiver.hits as [Hit];
    const headers = hit.headers as Record<string, string>;
    const openai = new OpenAI({ apiKey: "none", webhookSecret: signing.secret });
    expect(await openai.webhooks.unwrap(hit.body, headers)).toMatchObject({
      object: "event",
      type: "video.completed",
      project: "default",
      data: { id: video.id, object: "video", status: "completed" },
    });
    expect(new Webhook(signing.secret).verify(hit.body, headers)).toEqual(hit.event);
    expect(headers).toMatchObject({
      "webhook-id": hit.event.id,
      "content-type": "application/json",
      "user-agent": "reelq",
    });
    const forged = hit.body.replace("completed", "cancelled");
    await expect(openai.webhooks.unwrap(forged, headers)).rejects.toThrow(/signature/);
    expect(() => new Webhook(signing.secret).verify(forged, headers)).toThrow(/signature/);
  });

  test("is signed with both secrets while a rotation overlaps, and then with the new one alone", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { id, signing: before } = await anEndpoint(room, receiver.url, ["video.queued"]);
    const { signing } = await room.webhooks.rotate(id, HOUR, caller);
    expect(signing.secret).not.toBe(before.secret);
    room.work();
    await room.video();
    await receiver.took(1);
    const [hit] = receiver.hits as [Hit];
    for (const { secret } of [signing, before])
      expect(new Webhook(secret).verify(hit.body, hit.headers as Record<string, string>)).toEqual(hit.event);
    room.clock.skip(HOUR);
    await room.video();
    await receiver.took(2);
    expect(String(hit.headers["webhook-signature"]).split(" ")).toHaveLength(2);
    expect(String(receiver.hits[1]?.headers["webhook-signature"]).split(" ")).toHaveLength(1);
  });

  test("are the types that an endpoint named, of its own project", async () => {
    const room = await aRoom(redis);
    const [mine, theirs] = [await aReceiver(), await aReceiver()];
    await anEndpoint(room, mine.url, ["video.rendering", "video.cancelled"]);
    await room.webhooks.create({ url: theirs.url, events: ["*"], description: null }, callerOf("other"));
    room.work();
    const { id } = await room.video(["submitting", "rendering", "cancelled"]);
    const other = await room.video(["cancelled"], { project: "other" });
    await Promise.all([mine.took(2), theirs.took(2)]);
    expect(inOrder(mine.hits)).toEqual(new Map([[id, ["video.rendering", "video.cancelled"]]]));
    expect(inOrder(theirs.hits)).toEqual(new Map([[other.id, ["video.queued", "video.cancelled"]]]));
  });

  test("begins with what happens after the endpoint was made", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const before = await room.video();
    await anEndpoint(room, receiver.url);
    const after = await room.move(before, "cancelled");
    room.work();
    await receiver.took(1);
    expect(inOrder(receiver.hits)).toEqual(new Map([[after.id, ["video.cancelled"]]]));
  });
});

test("a video that is deleted is told of by its id", async () => {
  const room = await aRoom(redis);
  const receiver = await aReceiver();
  await anEndpoint(room, receiver.url, ["video.deleted"]);
  room.work();
  const video = await room.video(["cancelled"]);
  await room.engine.ledger.remove(video, []);
  await receiver.took(1);
  expect(receiver.hits[0]?.event.data).toEqual({ id: video.id, object: "video.deleted" });
});

describe("an endpoint that fails", () => {
  test("gets each event at least once, in order for each video, the same bytes in each try", async () => {
    const room = await aRoom(redis);
    const faults = [500, "hang", "reset", 200] as const;
    let count = 0;
    // Of every third event, the first tries go wrong, each in another way.
    const spoiled = new Set<string>();
    const receiver = await aReceiver(({ event }, before) => {
      if (before === 0 && (count += 1) % 3 === 0) spoiled.add(event.id);
      return spoiled.has(event.id) ? (faults[before] ?? 200) : 200;
    });
    await anEndpoint(room, receiver.url);
    skipWaits(room);
    room.work({ timeoutMs: 250 });
    const videos = await Promise.all(numbers(6).map(() => room.video(whole)));
    await receiver.took(6 * 5);
    expect(Object.fromEntries(inOrder(receiver.taken))).toEqual(
      Object.fromEntries(videos.map(({ id }) => [id, wholeStory])),
    );
    expect(inOrder(receiver.hits)).toEqual(inOrder(receiver.taken));
    const bodies = Map.groupBy(receiver.hits, ({ event }) => event.id);
    for (const hits of bodies.values()) {
      expect(new Set(hits.map(({ body }) => body)).size).toBe(1);
      expect(new Set(hits.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    }
    expect(spoiled.size).toBe(10);
    expect([...spoiled].map((id) => bodies.get(id)?.length)).toEqual(Array(10).fill(4));
  });

  test("that is slow delays no other one, and is asked eight things at once at most", async () => {
    const room = await aRoom(redis);
    const held: ServerResponse[] = [];
    const slow = await aReceiver(() => (response) => void held.push(response));
    const quick = await aReceiver();
    await anEndpoint(room, slow.url, ["video.queued"]);
    await anEndpoint(room, quick.url, ["video.queued"]);
    room.work({ timeoutMs: 60_000 });
    for (const _ of numbers(30)) await room.video();
    await quick.took(30);
    await slow.came(8);
    expect(slow.hits).toHaveLength(8);
    for (const response of held) response.end();
    await slow.came(9);
    expect(slow.hits.length).toBeLessThanOrEqual(16);
  });

  test("is not followed to where it redirects", async () => {
    const room = await aRoom(redis);
    const elsewhere = await aReceiver();
    const receiver = await aReceiver(() => (response) => response.writeHead(302, { location: elsewhere.url }).end());
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    const failed = tried(room, ({ status }) => status === "pending");
    room.work();
    await room.video();
    await failed;
    expect((await logOf(room, id))[0]).toMatchObject({
      status: "pending",
      tries: [{ status: 302, error: "The address answered 302, not 2xx." }],
    });
    expect(elsewhere.hits).toEqual([]);
  });

  test("at an address that is not public is not connected to", async () => {
    const room = await aRoom(redis);
    const { id } = await anEndpoint(room, "http://127.0.0.2:9/hook", ["video.queued"]);
    const failed = tried(room, ({ status }) => status === "pending");
    room.work();
    await room.video();
    await failed;
    const [delivery] = await logOf(room, id);
    expect(delivery?.tries).toMatchObject([{ status: null, error: expect.stringContaining("not a public") as string }]);
  });

  test("is tried again after longer and longer waits, for a day", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver(() => 503);
    const { id } = await anEndpoint(room, receiver.url, ["video.queued", "video.cancelled"]);
    const waits: number[] = [];
    room.engine.facts.on("webhookTried", ({ nextAt }) => nextAt && waits.push(nextAt - room.clock.now()));
    skipWaits(room);
    const givenUp = tried(room, ({ type, status }) => type === "video.cancelled" && status === "failed");
    room.work();
    await room.video(["cancelled"]);
    await givenUp;
    const rounded = waits.map((ms) => Math.round(ms / SECOND) * SECOND);
    const steps = [
      5 * SECOND,
      30 * SECOND,
      2 * MINUTE,
      10 * MINUTE,
      30 * MINUTE,
      HOUR,
      ...Array<number>(11).fill(2 * HOUR),
    ];
    // The second event is tried as long as the first, which it waits for.
    expect(rounded).toEqual([...steps, ...steps].slice(0, waits.length));
    const log = await logOf(room, id);
    expect(log.map(({ type, status, tries }) => [type, status, tries.length])).toEqual([
      ["video.cancelled", "failed", 18],
      ["video.queued", "failed", 18],
    ]);
    expect([...inOrder(receiver.hits).values()]).toEqual([["video.queued", "video.cancelled"]]);
  });

  test("and says when to come back is not asked before then, nor after more than two hours", async () => {
    const room = await aRoom(redis);
    const patience = ["60", "86400"];
    const receiver = await aReceiver((_hit, before) => (response) => {
      const seconds = patience[before];
      response.writeHead(seconds === undefined ? 200 : 429, { "retry-after": seconds ?? "0" }).end();
    });
    await anEndpoint(room, receiver.url, ["video.queued"]);
    const waits: number[] = [];
    room.engine.facts.on("webhookTried", ({ nextAt }) => nextAt && waits.push(nextAt - room.clock.now()));
    skipWaits(room);
    room.work();
    await room.video();
    await receiver.came(3);
    expect(waits.map((ms) => Math.round(ms / SECOND))).toEqual([60, 7_200]);
  });

  test("for three days without a success is disabled, and one that succeeds in between is not", async () => {
    const room = await aRoom(redis);
    let isWell = false;
    const receiver = await aReceiver(() => (isWell ? 200 : 500));
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    skipWaits(room);
    room.work();
    const sendUntilGivenUp = async () => {
      const ended = tried(room, ({ status }) => status === "failed" || status === "cancelled");
      await room.video();
      await ended;
    };
    await sendUntilGivenUp();
    await sendUntilGivenUp();
    isWell = true;
    const delivered = tried(room, ({ status }) => status === "delivered");
    await room.video();
    await delivered;
    isWell = false;
    await sendUntilGivenUp();
    await sendUntilGivenUp();
    expect(await room.webhooks.read(id, caller)).toMatchObject({ enabled: true });
    const disabled = until(room.engine.facts, "webhookDisabled", () => true, "the end of patience");
    await sendUntilGivenUp();
    await sendUntilGivenUp();
    expect(await disabled).toEqual({ endpoint: id, project: "default", reason: "failing" });
    expect(await room.webhooks.read(id, caller)).toMatchObject({ enabled: false, disabledReason: "failing" });
  });
});

describe("an endpoint that answers 410", () => {
  test("is disabled at once, its others hear of it, and what was pending is cancelled", async () => {
    const room = await aRoom(redis);
    const gone = await aReceiver(() => 410);
    const witness = await aReceiver();
    const { id } = await anEndpoint(room, gone.url);
    await anEndpoint(room, witness.url, ["webhook_endpoint.disabled"]);
    const cancelled = tried(room, ({ type, status }) => type === "video.completed" && status === "cancelled");
    await room.video(whole);
    room.work();
    await Promise.all([witness.took(1), cancelled]);
    expect(witness.hits[0]?.event).toMatchObject({ type: "webhook_endpoint.disabled", data: { id } });
    expect(gone.hits).toHaveLength(1);
    const log = await logOf(room, id);
    expect(log.map(({ type, status }) => [type, status])).toEqual([
      ...wholeStory
        .toReversed()
        .slice(0, 4)
        .map((type) => [type, "cancelled"]),
      ["video.queued", "failed"],
    ]);
    expect(await room.webhooks.read(id, caller)).toMatchObject({ enabled: false, disabledReason: "gone" });
  });

  test("hears of what happens after it was enabled again, and of nothing that happened before", async () => {
    const room = await aRoom(redis);
    let isGone = true;
    const receiver = await aReceiver(() => (isGone ? 410 : 200));
    const { id } = await anEndpoint(room, receiver.url, ["video.queued", "video.cancelled"]);
    const disabled = until(room.engine.facts, "webhookDisabled", () => true, "the endpoint is disabled");
    room.work();
    await room.video();
    await disabled;
    const missed = await room.video();
    isGone = false;
    expect(await room.webhooks.update(id, { enabled: true }, caller)).toMatchObject({
      enabled: true,
      disabledReason: null,
      disabledAt: null,
    });
    await room.move(missed, "cancelled");
    await receiver.took(1);
    expect(inOrder(receiver.taken)).toEqual(new Map([[missed.id, ["video.cancelled"]]]));
  });
});

test("what waited when an endpoint was disabled is cancelled by the time it is enabled, whoever runs", async () => {
  const room = await aRoom(redis);
  let isWell = false;
  const receiver = await aReceiver(() => (isWell ? 200 : 500));
  const { id } = await anEndpoint(room, receiver.url, ["video.queued", "video.submitting", "video.rendering"]);
  const failed = tried(room, ({ status }) => status === "pending");
  const worker = room.work();
  const video = await room.video(["submitting"]);
  await failed;
  await worker.close(1_000);
  // As a worker leaves it that was killed when it had just disabled the endpoint.
  await room.engine.redis.hset(room.engine.keys.webhookEndpoint(id), "enabled", "0");
  await room.webhooks.update(id, { enabled: true }, caller);
  isWell = true;
  room.work();
  await room.move(video, "rendering");
  await receiver.took(1);
  expect((await logOf(room, id)).map(({ type, status }) => [type, status])).toEqual([
    ["video.rendering", expect.stringMatching(/pending|delivered/)],
    ["video.submitting", "cancelled"],
    ["video.queued", "cancelled"],
  ]);
  expect(receiver.taken.map(({ event }) => event.type)).toEqual(["video.rendering"]);
});

describe("a redelivery", () => {
  test("sends again what was delivered or given up, with the same id and bytes", async () => {
    const room = await aRoom(redis);
    let isWell = true;
    const receiver = await aReceiver(() => (isWell ? 200 : 500));
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    skipWaits(room);
    room.work();
    const first = tried(room, ({ status }) => status === "delivered");
    await room.video();
    await first;
    const [delivered] = await logOf(room, id);
    isWell = false;
    const given = tried(room, ({ status }) => status === "failed");
    expect(await room.webhooks.redeliver(id, delivered!.id, caller)).toMatchObject({ status: "pending" });
    await given;
    isWell = true;
    const again = tried(room, ({ status }) => status === "delivered");
    await room.webhooks.redeliver(id, delivered!.id, caller);
    await again;
    expect(new Set(receiver.hits.map(({ body }) => body)).size).toBe(1);
    expect(new Set(receiver.hits.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(receiver.taken).toHaveLength(2);
    const log = await logOf(room, id);
    expect(log.map(({ status, tries }) => [status, tries.length])).toEqual([["delivered", 1 + 18 + 1]]);
  });

  test("of what is pending sends it at once, together with what it waits for", async () => {
    const room = await aRoom(redis);
    let isWell = false;
    const receiver = await aReceiver(() => (isWell ? 200 : 500));
    const { id } = await anEndpoint(room, receiver.url, ["video.queued", "video.cancelled"]);
    const failed = tried(room, ({ status }) => status === "pending");
    room.work();
    await room.video(["cancelled"]);
    await failed;
    isWell = true;
    const [last, first] = await logOf(room, id);
    expect([first?.nextAt, last?.nextAt]).toEqual([expect.any(Number), undefined]);
    await room.webhooks.redeliver(id, last!.id, caller);
    await receiver.took(2);
    expect(receiver.taken.map(({ event }) => event.type)).toEqual(["video.queued", "video.cancelled"]);
  });

  test("of another project's, or to an endpoint that is disabled, is refused", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    const done = tried(room, ({ status }) => status === "delivered");
    room.work();
    await room.video();
    await done;
    const [delivery] = await logOf(room, id);
    await expect(room.webhooks.redeliver(id, delivery!.id, callerOf("other"))).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(room.webhooks.redeliver(id, "wd_none", caller)).rejects.toMatchObject({ code: "not_found" });
    await room.webhooks.update(id, { enabled: false }, caller);
    await expect(room.webhooks.redeliver(id, delivery!.id, caller)).rejects.toMatchObject({ code: "conflict" });
    await expect(room.webhooks.test(id, caller)).rejects.toMatchObject({ code: "conflict" });
  });
});

describe("an address named with a video", () => {
  test("hears how the video ends, signed with the API key's own secret", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    room.work();
    await room.video(["submitting", "in_doubt", "failed"], { webhook: { url: receiver.url, key: caller.key } });
    await room.video(whole);
    await receiver.took(2);
    expect(receiver.hits.map(({ event }) => event.type)).toEqual(["video.in_doubt", "video.failed"]);
    const { secret } = await room.webhooks.signing(caller);
    const { secret: others } = await room.webhooks.signing(callerOf("other"));
    const { secret: next } = await room.webhooks.rotateSigning(HOUR, caller);
    const [{ body, headers, event }] = receiver.hits as [Hit];
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(event);
    for (const wrong of [others, next])
      expect(() => new Webhook(wrong).verify(body, headers as Record<string, string>)).toThrow(/signature/);
  });

  test("that answers 410 gets nothing more of what was pending for it, and others at its origin do", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver(({ path }) => (path === "/gone" ? 410 : 200));
    const webhook = (path: string) => ({ webhook: { url: new URL(path, receiver.url).href, key: caller.key } });
    await room.video(["submitting", "in_doubt", "failed"], webhook("/gone"));
    await room.video(["submitting", "in_doubt", "failed"], webhook("/here"));
    const ended = recorded(room.engine.facts, "webhookTried");
    const cancelled = tried(room, ({ type, status }) => type === "video.failed" && status === "cancelled");
    room.work();
    await Promise.all([cancelled, receiver.took(2)]);
    expect(receiver.hits.filter(({ path }) => path === "/gone")).toHaveLength(1);
    expect(receiver.taken.map(({ path, event }) => [path, event.type])).toEqual([
      ["/here", "video.in_doubt"],
      ["/here", "video.failed"],
    ]);
    expect(ended.filter(({ status }) => status === "failed")).toHaveLength(1);
  });
});

describe("workers", () => {
  test("that read the stream side by side deliver each event once", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    await anEndpoint(room, receiver.url);
    // A turn that is over at once: all of them read.
    for (const _ of numbers(3)) room.work({ turnMs: 1 });
    await Promise.all(numbers(12).map(() => room.video(whole)));
    await receiver.took(60);
    const more = await room.video();
    await receiver.took(61);
    expect(receiver.hits).toHaveLength(61);
    expect(receiver.hits.at(-1)?.event.data.id).toBe(more.id);
  });

  test("that are killed in the middle of deliveries leave them to others, in order", async () => {
    const prefix = `{hooks-killed-${process.pid}}`;
    const room = await aRoom(redis, prefix);
    let isHanging = true;
    const receiver = await aReceiver(() => (isHanging ? "hang" : 200));
    await anEndpoint(room, receiver.url);
    const videos = await Promise.all(numbers(10).map(() => room.video(whole)));
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", killedWorker(redis.url, prefix)], {
      cwd: new URL(".", import.meta.url).pathname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(createInterface(child.stdout), "line");
    await receiver.came(8);
    child.kill("SIGKILL");
    await once(child, "exit");
    isHanging = false;
    room.work();
    await receiver.took(50);
    expect(inOrder(receiver.taken)).toEqual(new Map([...inOrder(receiver.taken).keys()].map((id) => [id, wholeStory])));
    expect([...inOrder(receiver.taken).keys()].toSorted()).toEqual(videos.map(({ id }) => id).toSorted());
    expect(receiver.taken).toHaveLength(50);
  });

  test("that close wait for what is being sent, and give back what does not end", async () => {
    const room = await aRoom(redis);
    const held: ServerResponse[] = [];
    let isHanging = true;
    const receiver = await aReceiver(() => (isHanging ? (response) => void held.push(response) : 200));
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    const worker = room.work({ timeoutMs: 60_000 });
    await room.video();
    await room.video();
    await receiver.came(2);
    const delivered = tried(room, ({ status }) => status === "delivered");
    const closed = worker.close(300);
    held[0]?.end();
    await delivered;
    await closed;
    isHanging = false;
    room.work();
    await receiver.took(1);
    // Being cut off is no failure of the receiver's.
    await idle(room, id);
    expect((await logOf(room, id)).map(({ status, tries }) => [status, tries.length])).toEqual([
      ["delivered", 1],
      ["delivered", 1],
    ]);
  });

  test("go on when Redis was killed and is back", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    await anEndpoint(room, receiver.url);
    room.work();
    const before = await room.video(["submitting"]);
    await receiver.took(2);
    await redis.restart();
    await room.move(before, "rendering");
    await receiver.took(3);
    expect(inOrder(receiver.taken)).toEqual(new Map([[before.id, wholeStory.slice(0, 3)]]));
  });

  test("say that events were gone from the stream before they read them", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    await anEndpoint(room, receiver.url, ["video.cancelled"]);
    const first = room.work();
    await room.video(["cancelled"]);
    await receiver.took(1);
    await first.close(1_000);
    const missed = recorded(room.engine.facts, "webhooksMissed");
    await room.video(["cancelled"]);
    const kept = await room.video();
    await room.engine.redis.xtrim(room.engine.keys.events, "MAXLEN", 1);
    room.work();
    await room.move(kept, "cancelled");
    await receiver.took(2);
    expect(receiver.hits[1]?.event.data.id).toBe(kept.id);
    expect(missed).toHaveLength(1);
  });
});

describe("a test", () => {
  test("sends an event that tells of nothing", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { id, signing } = await anEndpoint(room, receiver.url, ["video.completed"]);
    room.work();
    const { event, type } = await room.webhooks.test(id, caller);
    await receiver.took(1);
    const [hit] = receiver.hits as [Hit];
    expect(new Webhook(signing.secret).verify(hit.body, hit.headers as Record<string, string>)).toMatchObject({
      id: event,
      type: "webhook.test",
      data: { id },
    });
    expect(type).toBe("webhook.test");
  });
});

describe("what is kept", () => {
  test("of an endpoint that is deleted is nothing", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver(({ event }) => (event.type === "video.queued" ? 200 : 500));
    const { id } = await anEndpoint(room, receiver.url);
    const failed = tried(room, ({ type }) => type === "video.submitting");
    room.work();
    await room.video(whole);
    await failed;
    expect((await logOf(room, id)).map(({ status }) => status)).toEqual([
      ...Array<string>(4).fill("pending"),
      "delivered",
    ]);
    await room.webhooks.remove(id, caller);
    const { redis: client, keys } = room.engine;
    const left = await client.keys(`${keys.prefix}:webhook*`);
    const bookkeeping = [keys.webhookCursor, keys.webhookReader, keys.webhookWakes];
    expect(left.filter((key) => !bookkeeping.includes(key))).toEqual([]);
    await expect(room.webhooks.read(id, caller)).rejects.toMatchObject({ code: "not_found" });
    expect(await metricsText(room.engine)).toContain("reelq_webhooks_pending 0\n");
  });

  test("of a delivery that has ended goes after seven days, and is counted", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { id } = await anEndpoint(room, receiver.url, ["video.queued"]);
    const done = tried(room, ({ status }) => status === "delivered");
    room.work();
    await room.video();
    await done;
    const { redis: client, keys } = room.engine;
    const [delivery] = await logOf(room, id);
    for (const key of [keys.webhookDelivery(delivery!.id), keys.webhookLog(id, "delivered")]) {
      const ttlMs = await client.pttl(key);
      expect(ttlMs).toBeGreaterThan(7 * DAY - HOUR);
      expect(ttlMs).toBeLessThanOrEqual(7 * DAY);
    }
    // As if the seven days were over.
    await client.del(keys.webhookDelivery(delivery!.id));
    expect(await logOf(room, id)).toEqual([]);
    expect(await client.exists(keys.webhookLog(id, "delivered"))).toBe(0);
    const metrics = await metricsText(room.engine);
    expect(metrics).toContain('reelq_webhooks_total{status="delivered"} 1\n');
    expect(metrics).toContain("reelq_webhooks_pending 0\n");
  });

  test("of what is delivered is no order, claim or due time", async () => {
    const room = await aRoom(redis);
    const receiver = await aReceiver();
    const { id } = await anEndpoint(room, receiver.url);
    const last = tried(room, ({ type }) => type === "video.completed");
    room.work();
    const video = await room.video(whole);
    await last;
    const { redis: client, keys } = room.engine;
    const none = [
      keys.webhookOrder(id, video.id),
      keys.webhookDue(id),
      keys.webhookClaims(id),
      keys.webhookLog(id, "pending"),
      keys.webhookTargets,
    ];
    expect(await client.exists(...none)).toBe(0);
  });
});

/** Waits until nothing is pending for an endpoint. */
async function idle(room: Room, id: string): Promise<void> {
  while ((await logOf(room, id)).some(({ status }) => status === "pending"))
    await until(room.engine.facts, "webhookTried", () => true, "the end of what is pending", 200).catch(
      () => undefined,
    );
}

/** A worker of its own, which says when it is there, and whose claims last two seconds. */
const killedWorker = (redisUrl: string, prefix: string): string => `
import { fleetSchema, openEngine, openFleet, openStorage, startWebhookWorker } from "@reelq/engine";
import { openWeb } from "@reelq/web";
const fleet = openFleet(fleetSchema.parse({ upstreams: { main: { url: "http://127.0.0.1:9/v1" } } }));
const storage = openStorage("file:/tmp", {});
const engine = openEngine({ redisUrl: ${JSON.stringify(redisUrl)}, fleet, storage, patient: true, prefix: ${JSON.stringify(prefix)} });
const web = openWeb({ allow: ["127.0.0.1"] });
startWebhookWorker(engine, {
  name: "killed",
  send: (url, options) => web.post(url, options),
  timings: { leaseMs: 1_500, turnMs: 1_500, timeoutMs: 60_000 },
});
process.stdout.write("ready\\n");
`;
