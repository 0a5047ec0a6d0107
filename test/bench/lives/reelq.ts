import { openEngine, openFleet, producerOn, startWorker } from "@reelq/engine";
import { asChild } from "../frame/child.ts";
import { instantFleet, instantModel, instantStorage, instantUpstream } from "../frame/instant.ts";
import { costsOn, type Lives, type LivesInput, livesOf, looksEach, openLoop } from "./lives.ts";

/** An account with room for all: a worker fills places that it knows of with 64 POSTs at once. */
const fleet = openFleet({
  ...instantFleet,
  upstreams: { main: { ...instantFleet.upstreams.main, limits: { inFlight: 1_000_000 } } },
});

asChild(async (input: LivesInput): Promise<Lives> => {
  const engine = openEngine({
    redisUrl: input.serverUrl,
    fleet,
    storage: instantStorage(),
    patient: true,
  });
  const producer = producerOn(engine);
  const upstream = await instantUpstream(looksEach);
  const loop = openLoop(input, costsOn(engine.redis));
  const failed = Promise.withResolvers<never>();
  const hiccups: string[] = [];
  let stored = 0;
  engine.facts.on("moved", ({ video }) => {
    if (video.status === "failed") failed.reject(new Error(JSON.stringify(video.failure)));
    if (video.status !== "stored") return;
    stored += 1;
    loop.over();
  });
  engine.facts.on("hiccup", ({ where, error }) => hiccups.push(`${where}: ${error.message}`));
  await startWorker(engine, {
    name: "bench",
    stages: ["submit", "poll", "download"],
    concurrency: input.concurrency,
    upstreams: [upstream],
    doubtPolicy: "hold",
  });
  const caller = { project: "default", key: "open", isAdmin: true };
  const create = (number: number) =>
    producer.create({ fields: { model: instantModel, prompt: `a cat walks over bridge ${number}` } }, caller);
  const did = await Promise.race([loop.run(create), failed.promise]);
  const { creates, looks, files } = upstream.asked;
  if (files < stored || looks < stored * looksEach || creates < stored) throw new Error("A video was stored unseen.");
  return livesOf(did, hiccups);
});
