import { fetchContent } from "./content.ts";
import { creator } from "./create.ts";
import { readError } from "./field-values.ts";
import { fieldOf } from "./json.ts";
import { list } from "./list.ts";
import { isSuccess } from "./reply.ts";
import { probe } from "./probe.ts";
import { retrieve } from "./retrieve.ts";
import { addressOf, openServer, type Server, speak } from "./server.ts";
import type { CreateOutcome, Upstream, UpstreamSettings } from "./upstream.ts";

/**
 * Opens the client of one upstream.
 * @throws UpstreamSettingsError with every mistake in the settings
 */
export function openUpstream(settings: UpstreamSettings): Upstream {
  const server = openServer(settings);
  const create = creator(server);
  const underWay = new Set<Promise<CreateOutcome>>();
  let isClosed = false;
  return {
    name: server.settings.name,
    timeouts: server.settings.timeouts,
    async create(call) {
      if (isClosed) return { kind: "not_sent", reason: "The upstream's client is closed." };
      const creation = create(call);
      underWay.add(creation);
      return creation.finally(() => underWay.delete(creation));
    },
    retrieve: (task) => retrieve(server, task),
    content: (task, options = {}) => fetchContent(server, task, options),
    list: (options = {}) => list(server, options),
    remove: (task) => remove(server, task),
    probe: () => probe(server),
    async close() {
      isClosed = true;
      // A POST that is cut is a video in doubt; everything else can be repeated.
      await Promise.allSettled(underWay);
      await server.transport.close();
    },
  };
}

async function remove(server: Server, task: string): Promise<boolean> {
  const spoken = await speak(server, "DELETE", addressOf(server, "videos", task));
  if (spoken.kind === "no_reply" || !isSuccess(spoken.reply.status)) return false;
  const { json, text, cut } = spoken.reply;
  // A page with HTTP 200 is not the server's word.
  const isServersWord = cut === undefined && (json !== undefined || text.trim() === "");
  return isServersWord && readError(fieldOf(json, "error")) === undefined && fieldOf(json, "deleted") !== false;
}
