import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MINUTE, openEngine, openFleet, producerOn, openStorage, startWorker } from "@reelq/engine";
import { openUpstream } from "@reelq/upstream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, type TestContext } from "vitest";
import { caller, quickTimings, tinyModel, tinyModels } from "../support/engine.ts";
import { until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

// Upstreams that create the task, drop the reply, and then show a list that must not be taken for proof.

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const prompt = "A lighthouse on a black cliff, and fog that rolls in from the sea";
let benches = 0;

/** An engine at work against a server that answers as the test says. */
async function aBenchAgainst(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  inTest: Pick<TestContext, "onTestFinished"> = { onTestFinished },
) {
  const server = createServer((request, response) => {
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: openFleet({
      upstreams: { main: { url, models: [tinyModel] } },
      models: tinyModels,
      timings: { ...quickTimings, quietSeconds: 0.2, doubtLookSeconds: 0.1 },
    }),
    storage: openStorage("file:/nowhere", {}),
    patient: true,
    prefix: `{liars-${(benches += 1)}}`,
  });
  const upstream = openUpstream({ name: "main", url, timeouts: { totalMs: 300, headersMs: 300 } });
  const worker = await startWorker(engine, {
    name: "w",
    stages: ["submit", "poll"],
    concurrency: 4,
    upstreams: [upstream],
    doubtPolicy: "hold",
  });
  inTest.onTestFinished(async () => {
    await worker.close(2_000);
    await engine.close();
    await upstream.close();
    server.closeAllConnections();
    server.close();
  });
  return {
    engine,
    create: async () => (await producerOn(engine).create({ fields: { model: tinyModel, prompt } }, caller)).video,
  };
}

const json = (response: ServerResponse, body: unknown) => {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
};
const seconds = () => Math.floor(Date.now() / 1000);
const whole = () => ({
  id: "task_lost",
  object: "video",
  status: "queued",
  model: tinyModel,
  seconds: "1",
  size: "64x64",
  prompt,
  created_at: seconds(),
});
const listOf = (data: unknown[], more = false) => ({ object: "list", data, has_more: more });

describe("a list that is no proof", () => {
  test.concurrent.for<[string, () => unknown]>([
    ["has a clock three hours behind", () => listOf([{ ...whole(), created_at: seconds() - 3 * 3600 }])],
    ["has a clock eight hours ahead", () => listOf([{ ...whole(), created_at: seconds() + 8 * 3600 }])],
    ["cuts the prompt short", () => listOf([{ ...whole(), prompt: `${prompt.slice(0, 20)}...` }])],
    ["says the size in its own words", () => listOf([{ ...whole(), size: "tiny" }])],
    ["says the model's dated name", () => listOf([{ ...whole(), model: `${tinyModel}-20261001` }])],
    ["is empty and says that it goes on", () => listOf([], true)],
    [
      "repeats itself without end",
      () => listOf([{ ...whole(), id: "another", prompt: "something else", created_at: seconds() }], true),
    ],
  ])("because it %s leaves the doubt to a person: nothing is sent twice", async ([, list], context) => {
    let posts = 0;
    const { engine, create } = await aBenchAgainst((request, response) => {
      if (request.method === "POST") {
        posts += 1;
        request.socket.destroy();
      } else json(response, list());
    }, context);
    const held = until(
      engine.facts,
      "waited",
      ({ video }) => video.status === "in_doubt" && video.doubt.held,
      "a held doubt",
      MINUTE,
    );
    await create();
    const { video } = await held;
    expect(video.attempts).toHaveLength(1);
    expect(posts).toBe(1);
  });

  test("because it shows none of our own tasks leaves the doubt to a person", async () => {
    let posts = 0;
    const { engine, create } = await aBenchAgainst((request, response) => {
      if (request.method !== "POST")
        return json(
          response,
          request.url?.includes("/videos/") ? { ...whole(), id: "task_1", status: "processing" } : listOf([]),
        );
      posts += 1;
      if (posts === 1) json(response, { ...whole(), id: "task_1" });
      else request.socket.destroy();
    });
    const rendering = until(
      engine.facts,
      "moved",
      ({ video }) => video.status === "rendering",
      "the first one renders",
    );
    await create();
    const { video: first } = await rendering;
    // Old enough to be in a list that lags.
    await engine.redis.zadd(
      engine.keys.recentTasks("main"),
      Date.now() - 10_000,
      first.status === "rendering" ? first.task.id : "",
    );
    const held = until(
      engine.facts,
      "waited",
      ({ note }) => /none of our own latest tasks/.test(note),
      "a held doubt",
      MINUTE,
    );
    await create();
    await held;
    expect(posts).toBe(2);
  });
});

test("a task that the upstream gives to two videos is held for a person, and never sent again", async () => {
  let posts = 0;
  const { engine, create } = await aBenchAgainst((request, response) => {
    if (request.method === "POST") posts += 1;
    json(
      response,
      request.method === "POST" || request.url?.includes("/videos/")
        ? { ...whole(), id: "same", status: "processing" }
        : listOf([]),
    );
  });
  const contested = until(engine.facts, "moved", ({ video }) => video.status === "in_doubt", "a contested task");
  await create();
  await create();
  const { video } = await contested;
  expect(video).toMatchObject({
    doubt: { held: true, contested: true },
    attempts: [{ outcome: "in_doubt", charged: "unknown" }],
  });
  expect(posts).toBe(2);
});
