import { type Call, isVisible, occasion, taskOf } from "./call.ts";
import { Refusal, refuse } from "./refusal.ts";
import { answerTask, strike } from "./strike.ts";
import { type Task, taskBody } from "./tasks.ts";

const maxPage = 100;
const defaultPage = 20;

/** GET /v1/videos/{id} */
export async function retrieve(call: Call): Promise<void> {
  const { world, response } = call;
  const task = taskOf(call);
  const known = task instanceof Refusal ? undefined : task;
  if (known) known.looks += 1;
  else world.looks.unknown += 1;
  world.looks.retrieves += 1;
  world.announcements.emit("look", { operation: "retrieve", task: known?.id ?? null });
  const crowd = tooManyLooks(call);
  if (crowd) return refuse(response, crowd);
  const rule = world.faults.strike("retrieve", false, occasion(call, { task: known }));
  if (rule && (await strike(call, rule, known))) return;
  if (task instanceof Refusal) return refuse(response, task);
  answerTask(response, taskBody(task, world.tasks, world.now()), rule);
}

/** GET /v1/videos */
export async function list(call: Call): Promise<void> {
  const { world, response } = call;
  world.looks.lists += 1;
  world.announcements.emit("look", { operation: "list", task: null });
  const crowd = tooManyLooks(call);
  if (crowd) return refuse(response, crowd);
  const rule = world.faults.strike("list", false, occasion(call));
  if (rule && (await strike(call, rule))) return;
  const page = rule?.do === "hide" ? { tasks: [], more: false } : pageOf(call);
  if (page instanceof Refusal) return refuse(response, page);
  response.json({
    object: "list",
    data: page.tasks.map((task) => taskBody(task, world.tasks, world.now())),
    first_id: page.tasks.at(0)?.id ?? null,
    last_id: page.tasks.at(-1)?.id ?? null,
    has_more: page.more,
  });
}

/** DELETE /v1/videos/{id} */
export async function remove(call: Call): Promise<void> {
  const { world, response } = call;
  const task = taskOf(call);
  const known = task instanceof Refusal ? undefined : task;
  const early = world.faults.strike("delete", false, occasion(call, { task: known }));
  if (early && (await strike(call, early, known))) return;
  if (task instanceof Refusal) return refuse(response, task);
  world.tasks.delete(task);
  const late = world.faults.strike("delete", true, occasion(call, { task }));
  if (late && (await strike(call, late, task))) return;
  response.json({ id: task.id, object: "video.deleted", deleted: true });
}

function tooManyLooks({ world, key }: Call): Refusal | undefined {
  const { looksPerSecond } = world.settings;
  if (looksPerSecond === null) return undefined;
  if ("remaining" in world.reads.take(key, looksPerSecond)) return undefined;
  return new Refusal(429, "rate_limit_exceeded", `Rate limit reached: ${looksPerSecond} queries a second.`, {
    headers: { "retry-after": "1" },
  });
}

function pageOf({ world, request, key }: Call): { tasks: Task[]; more: boolean } | Refusal {
  const { after, limit = String(defaultPage), order = "desc" } = request.query;
  const count = typeof limit === "string" && /^\d+$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > maxPage)
    return new Refusal(400, "invalid_value", `Invalid 'limit': must be from 1 to ${maxPage}.`, { param: "limit" });
  if (order !== "asc" && order !== "desc")
    return new Refusal(400, "invalid_value", "Invalid 'order': must be asc or desc.", { param: "order" });
  const from = typeof after === "string" ? world.tasks.find(after) : undefined;
  if (after !== undefined && !from)
    return new Refusal(400, "invalid_value", "Invalid 'after': no such video.", { param: "after" });

  const all = world.tasks.all();
  const step = order === "asc" ? 1 : -1;
  const start = from ? from.number - 1 + step : order === "asc" ? 0 : all.length - 1;
  const tasks: Task[] = [];
  for (let at = start; at >= 0 && at < all.length; at += step) {
    const task = all[at];
    if (!task || task.deletedAt !== null || !isVisible(world, task, key)) continue;
    if (tasks.length === count) return { tasks, more: true };
    tasks.push(task);
  }
  return { tasks, more: false };
}
