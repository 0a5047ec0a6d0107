import { openReelq, type ProjectStreamEvent, type Reelq } from "@reelq/sdk";
import { type App, startApp } from "../../support/processes.ts";
import { startRedis } from "../../support/redis.ts";
import { instantModel, instantSize } from "../frame/instant.ts";
import { settingFor } from "../frame/setting.ts";

/** An API and a worker as processes of their own, as they are set up for use. */
export interface Deployment {
  readonly reelq: Reelq;
  /** Waits for the end of a video. @throws where there is none in a minute */
  end(id: string): Promise<Ended>;
  close(): Promise<void>;
}

interface Ended {
  readonly type: string;
  /** When the event stream told of it, in ms of `performance.now()`. */
  readonly at: number;
}

/** How long a render of the one model usually takes, in seconds: the worker's first guess. */
export const typicalSeconds = 3;

export async function deploy(upstreamUrl: string): Promise<Deployment> {
  const redis = await startRedis();
  const size = { sizes: [instantSize], defaultSize: instantSize };
  const length = { seconds: [1], defaultSeconds: 1 };
  const { env, remove } = await settingFor(redis.url, {
    upstreams: {
      main: { url: upstreamUrl, models: [instantModel], capabilities: { list: false, variants: false, remix: false } },
    },
    models: { [instantModel]: { ...size, ...length, typicalRenderSeconds: typicalSeconds } },
  });
  const apps: App[] = [startApp("api", { env }), startApp("worker", { env })];
  const listening = new AbortController();
  const close = async (): Promise<void> => {
    listening.abort();
    await Promise.all(apps.map((app) => app.kill("SIGTERM")));
    await redis.stop();
    await remove();
  };
  try {
    const [url = ""] = await Promise.all(apps.map((app) => app.ready));
    const reelq = openReelq({ url });
    return { reelq, ...followEnds(reelq.events({ signal: listening.signal })), close };
  } catch (error) {
    await close();
    throw error;
  }
}

const endWithinMs = 60_000;

const lastTypes = new Set(["video.completed", "video.failed", "video.cancelled"]);

function followEnds(events: AsyncIterableIterator<ProjectStreamEvent>): Pick<Deployment, "end"> {
  const ended = new Map<string, Ended>();
  const awaited = new Map<string, PromiseWithResolvers<Ended>>();
  const follow = async (): Promise<void> => {
    for await (const event of events) {
      if (!lastTypes.has(event.type) || !("data" in event)) continue;
      const { id } = event.data;
      const end = { type: event.type, at: performance.now() };
      ended.set(id, end);
      awaited.get(id)?.resolve(end);
      awaited.delete(id);
    }
  };
  // Ends with the deployment.
  follow().catch(() => undefined);
  return {
    async end(id) {
      const known = ended.get(id);
      if (known) return known;
      const waiting = Promise.withResolvers<Ended>();
      awaited.set(id, waiting);
      const timer = setTimeout(() => waiting.reject(new Error(`${id} has come to no end.`)), endWithinMs);
      return waiting.promise.finally(() => clearTimeout(timer));
    },
  };
}
