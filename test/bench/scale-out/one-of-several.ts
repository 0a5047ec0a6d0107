import { openEngine, openFleet, startWorker } from "@reelq/engine";
import { asChild } from "../frame/child.ts";
import { instantStorage } from "../frame/instant.ts";
import { ownCpuSeconds } from "../frame/cpu.ts";
import { flowFleet, type Part } from "./flow.ts";
import { timedUpstream } from "./timed-upstream.ts";

/** A worker process that works until it is told to end. */
asChild(
  async (
    { redisUrl, concurrency }: { readonly redisUrl: string; readonly concurrency: number },
    parent,
  ): Promise<Part> => {
    const engine = openEngine({ redisUrl, fleet: openFleet(flowFleet), storage: instantStorage(), patient: true });
    const upstream = await timedUpstream();
    const hiccups: string[] = [];
    engine.facts.on("hiccup", ({ where, error }) => hiccups.push(`${where}: ${error.message}`));
    const worker = await startWorker(engine, {
      name: `bench ${process.pid}`,
      stages: ["submit", "poll", "download"],
      concurrency,
      upstreams: [upstream],
      doubtPolicy: "hold",
    });
    const cpuBefore = ownCpuSeconds();
    parent.tell("listening");
    await parent.answer();
    const cpuSeconds = ownCpuSeconds() - cpuBefore;
    const { creates, looks } = upstream.asked;
    await worker.close(5_000);
    await engine.close();
    return { cpuSeconds, creates, looks, hiccups };
  },
);
