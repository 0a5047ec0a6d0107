import express, { type Request, type Response, type Router } from "express";
import { z } from "zod";
import { clipSizes } from "./clips.ts";
import { openCall } from "./call.ts";
import { notThere, serve } from "./content.ts";
import { faultKinds, faultSchema, operations } from "./faults.ts";
import type { Handle, RestartOptions } from "./handle.ts";
import { issuesOf } from "./issues.ts";
import { Refusal, refuse } from "./refusal.ts";
import { settingsPatchSchema } from "./settings.ts";
import { waitSchema } from "./wait.ts";
import type { World } from "./world.ts";

const routes = {
  "GET /_sim": "this page",
  "GET /_sim/faults": "the rules, and how often each struck",
  "POST /_sim/faults": "adds a rule, or an array of rules",
  "DELETE /_sim/faults": "removes all rules",
  "DELETE /_sim/faults/{id}": "removes one",
  "GET /_sim/config": "the settings",
  "POST /_sim/config": "changes some of them",
  "GET /_sim/posts": "every POST under /v1, in order: ?after=number&limit=n",
  "GET /_sim/tasks": "every task: ?after=number&limit=n",
  "GET /_sim/looks": "counts of the other calls, and how many renders ran at once",
  "GET /_sim/wait": "answers once so many were seen: ?posts&tasks&completed&contents&timeoutMs=10000",
  "POST /_sim/complete": "ends renders now: {task} or {prompt}, {} for all",
  "POST /_sim/fail": "lets tasks fail now: also {code, message}",
  "POST /_sim/expire": "lets files expire now",
  "POST /_sim/restart": "drops every connection; {forget: true} forgets every task; {downMs} stays away",
  "POST /_sim/reset": "as at the start",
  "GET /_sim/files/{id}": "the file of a task, without a key: where redirects lead",
};

const whatRulesSay = { fields: Object.keys(faultSchema.shape), on: operations, do: faultKinds };

const namedSchema = z.strictObject({ task: z.string(), prompt: z.string() }).partial();
const failSchema = namedSchema.extend({ code: z.string().optional(), message: z.string().optional() });
const restartSchema = z.strictObject({
  forget: z.boolean().default(false),
  downMs: z.number().int().nonnegative().max(600_000).default(0),
}) satisfies z.ZodType<RestartOptions>;
const pageSchema = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().positive().default(Number.MAX_SAFE_INTEGER),
});

/** The routes under `/_sim`: they script the simulator and read what it saw. No key is asked for. */
export function control(world: World, handle: Handle): Router {
  const router = express.Router();
  // Whatever the type says, for curl -d.
  router.use(express.json({ type: () => true, limit: "8mb" }));
  router.get(
    "/",
    (_request, response) => void response.json({ routes, operations, faults: faultKinds, sizes: clipSizes }),
  );

  router.get("/faults", (_request, response) => void response.json({ data: handle.faults() }));
  router.post("/faults", (request, response) => {
    const given: unknown = request.body;
    const rules = read(response, Array.isArray(given) ? z.array(faultSchema) : faultSchema, given, whatRulesSay);
    if (!rules) return;
    const added = [rules].flat().map((rule) => world.faults.add(rule));
    response.status(201).json(Array.isArray(rules) ? { data: added } : added[0]);
  });
  router.delete("/faults", (_request, response) => {
    handle.clearFaults();
    response.json({ data: [] });
  });
  router.delete("/faults/:id", (request, response) => {
    const removed = world.faults.remove(request.params.id);
    response.status(removed ? 200 : 404).json({ removed });
  });

  router.get("/config", (_request, response) => void response.json({ seed: world.seed, ...world.settings }));
  router.post("/config", (request, response) => {
    const allowed = { fields: Object.keys(world.settings), sizes: clipSizes };
    const patch = read(response, settingsPatchSchema, request.body, allowed);
    if (patch) response.json({ seed: world.seed, ...handle.configure(patch) });
  });

  router.get("/posts", (request, response) => {
    const page = read(response, pageSchema, request.query);
    if (page) response.json({ data: handle.posts().slice(page.after, page.after + page.limit) });
  });
  router.get("/tasks", (request, response) => {
    const page = read(response, pageSchema, request.query);
    if (page) response.json({ data: handle.tasks().slice(page.after, page.after + page.limit) });
  });
  router.get("/looks", (_request, response) => void response.json(handle.looks()));
  router.get("/wait", async (request, response) => {
    const target = read(response, waitSchema, request.query);
    if (target) response.json(await handle.wait(target));
  });

  router.post("/complete", (request, response) => {
    const named = read(response, namedSchema, request.body);
    if (named) response.json({ tasks: handle.complete(named) });
  });
  router.post("/fail", (request, response) => {
    const named = read(response, failSchema, request.body);
    if (named) response.json({ tasks: handle.fail(named) });
  });
  router.post("/expire", (request, response) => {
    const named = read(response, namedSchema, request.body);
    if (named) response.json({ tasks: handle.expire(named) });
  });
  router.post("/restart", (request, response) => {
    const options = read(response, restartSchema, request.body);
    if (!options) return;
    response.set("connection", "close").json(options);
    response.once("finish", () => handle.restart(options, request.socket));
  });
  router.post("/reset", (_request, response) => {
    handle.reset();
    response.json({ reset: true });
  });
  router.get("/files/:id", (request, response) => file(world, request, response));
  return router;
}

/** What a CDN would do: no key needed, none wanted. */
async function file(world: World, request: Request, response: Response): Promise<void> {
  if (request.headers.authorization !== undefined) world.looks.keysLeaked += 1;
  const call = openCall(world, "content", request, response);
  const task = world.tasks.find(String(request.params["id"]));
  if (!task || task.deletedAt !== null) return refuse(response, new Refusal(404, "not_found", "No such file."));
  const missing = notThere(call, task);
  if (missing) return refuse(response, missing);
  await serve(call, task, "video");
}

/** The value if it fits, else a 400 that says everything that is wrong, and what is allowed. */
function read<T extends z.ZodType>(
  response: Response,
  schema: T,
  value: unknown,
  allowed?: Record<string, unknown>,
): z.output<T> | undefined {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const message = issuesOf(result.error);
  response
    .status(400)
    .json({ error: { message, type: "invalid_request_error", code: "invalid_value", param: null }, allowed });
  return undefined;
}
