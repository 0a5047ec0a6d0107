import { describe, readFault } from "./error-body.ts";
import { readId } from "./field-values.ts";
import { fieldOf, isObject } from "./json.ts";
import { plainTask } from "./plain-words.ts";
import { present } from "./present.ts";
import { isSuccess, type Reply } from "./reply.ts";
import { addressOf, type Server, speak } from "./server.ts";
import type { TaskPage, Upstream } from "./upstream.ts";
import { readTask } from "./wire.ts";

type ListOptions = NonNullable<Parameters<Upstream["list"]>[0]>;

/** Reads one page of the server's own list. */
export async function list(server: Server, options: ListOptions): Promise<TaskPage> {
  const url = addressOf(server, "videos");
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) url.searchParams.set(name, String(value).toWellFormed());
  const spoken = await speak(server, "GET", url);
  if (spoken.kind === "no_reply") return { kind: "missed", reason: server.plain(spoken.reason) };
  const { reply } = spoken;
  if (isSuccess(reply.status) && reply.cut === undefined) return pageOf(server, reply, options);
  const reason = reply.cut ?? describe(reply.status, readFault(reply.json, reply.text));
  return { kind: listless.has(reply.status) ? "no_list" : "missed", reason: server.plain(reason) };
}

const listless: ReadonlySet<number> = new Set([400, 404, 405, 410, 422, 501]);

function pageOf(server: Server, reply: Reply, options: ListOptions): TaskPage {
  const entries = entriesIn(reply.json);
  if (!entries) return { kind: "no_list", reason: server.plain(`HTTP ${reply.status}, but no list of tasks`) };
  const tasks = entries.flatMap((entry) => readTask(entry) ?? []).map((task) => plainTask(task, server.plain));
  // An entry that is passed over might be the very task that is looked for: such a list proves nothing.
  if (tasks.length < entries.length)
    return { kind: "no_list", reason: "The list holds entries that are no tasks with an id." };
  const lastId = readId(fieldOf(reply.json, "last_id")) ?? tasks.at(-1)?.id;
  return { kind: "page", tasks, hasMore: hasMore(reply.json, tasks.length, options), ...present({ lastId }) };
}

/** The entries of a list, in any of the shapes that servers give it; undefined where there is none. */
export const entriesIn = (json: unknown): readonly unknown[] | undefined =>
  entriesOf(json) ?? entriesOf(fieldOf(json, "data"));

function entriesOf(json: unknown): readonly unknown[] | undefined {
  if (Array.isArray(json)) return json as unknown[];
  if (!isObject(json)) return undefined;
  return ["data", "videos", "items"].map((name) => json[name]).find((entries) => Array.isArray(entries));
}

/** A server that does not say whether there is more may have more after a full page. */
function hasMore(json: unknown, found: number, options: ListOptions): boolean {
  const said = fieldOf(json, "has_more");
  if (typeof said === "boolean") return said;
  if (typeof said === "string") return said.trim().toLowerCase() === "true";
  return found > 0 && options.limit !== undefined && found >= options.limit;
}
