import { defaultModel, judgeCreate, judgeRemix } from "./asked.ts";
import { readBody, type ReceivedBody } from "./body.ts";
import { type Call, occasion, taskOf, unauthorized } from "./call.ts";
import type { FaultRule } from "./faults.ts";
import { noteBody, type Post } from "./posts.ts";
import { Refusal, refuse } from "./refusal.ts";
import { answerTask, strike } from "./strike.ts";
import { type Asked, taskBody } from "./tasks.ts";

/** POST /v1/videos */
export const create = (call: Call): Promise<void> =>
  submit(call, (body) => judgeCreate(body, call.world.settings.models));

/** POST /v1/videos/{id}/remix */
export const remix = (call: Call): Promise<void> =>
  submit(call, (body) => {
    const source = taskOf(call);
    if (source instanceof Refusal) return source;
    if (call.world.tasks.status(source) !== "completed")
      return new Refusal(400, "video_not_completed", `Video '${source.id}' is not completed.`, { param: "video_id" });
    return judgeRemix(body, source);
  });

/** Writes down a POST, whatever becomes of it. */
async function submit(call: Call, judge: (body: ReceivedBody) => Asked | Refusal): Promise<void> {
  const { world, request, response, key } = call;
  const post = world.posts.open(request, key, world.now());
  const rule = await makeTask(call, post, judge);
  post.answered = { status: response.headersSent ? response.statusCode : null, fault: rule?.do ?? null };
  world.announcements.emit("post", post);
}

/** @returns the rule that struck, if one did */
async function makeTask(
  call: Call,
  post: Post,
  judge: (body: ReceivedBody) => Asked | Refusal,
): Promise<FaultRule | undefined> {
  const { world, request, response, key, operation } = call;
  const body = await readBody(request);
  if (!(body instanceof Refusal)) noteBody(post, body);
  const admitted = unauthorized(call) ?? body;
  if (admitted instanceof Refusal) {
    refuse(response, admitted);
    return undefined;
  }
  const early = world.faults.strike(operation, false, occasion(call, aboutBody(admitted)));
  if (early && (await strike(call, early))) return early;
  const judged = judge(admitted);
  const asked = judged instanceof Refusal ? judged : (overLimit(call, judged.model) ?? judged);
  if (asked instanceof Refusal) {
    refuse(response, asked);
    return early;
  }
  const task = world.tasks.create(asked, key, world.settings);
  post.task = task.id;
  const late = world.faults.strike(operation, true, occasion(call, { task }));
  if (late && (await strike(call, late, task))) return late;
  answerTask(response, taskBody(task, world.tasks, world.now()), late);
  return late ?? early;
}

/** What the body says of the task to be, for the rules that ask. */
function aboutBody({ fields: { prompt, model = defaultModel } }: ReceivedBody): { prompt?: string; model?: string } {
  return {
    ...(typeof prompt === "string" && { prompt }),
    ...(typeof model === "string" && { model }),
  };
}

/** Why a key may not start one more render of a model now, if so. */
function overLimit({ world, response, key }: Call, model: string): Refusal | undefined {
  const { maxRunning, requestsPerMinute } = world.settings;
  if (maxRunning !== null && world.tasks.running(key) >= maxRunning)
    return new Refusal(429, "too_many_running_tasks", `Too many running tasks: ${maxRunning} may run at once.`);
  if (requestsPerMinute === null) return undefined;
  const place = world.creates.take(`${key}/${model}`, requestsPerMinute);
  response.set("x-ratelimit-limit-requests", String(requestsPerMinute));
  response.set("x-ratelimit-remaining-requests", String("waitMs" in place ? 0 : place.remaining));
  if ("remaining" in place) {
    response.set("x-ratelimit-reset-requests", `${Math.ceil(place.resetMs / 1000)}s`);
    return undefined;
  }
  const seconds = Math.ceil(place.waitMs / 1000);
  return new Refusal(
    429,
    "rate_limit_exceeded",
    `Rate limit reached for ${model}: ${requestsPerMinute} requests a minute.`,
    { headers: { "retry-after": String(seconds), "x-ratelimit-reset-requests": `${seconds}s` } },
  );
}
