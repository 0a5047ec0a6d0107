import { clip, clipSizes, picture } from "./clips.ts";
import { type Call, occasion, taskOf } from "./call.ts";
import { deliver, type Served } from "./deliver.ts";
import type { FaultRule } from "./faults.ts";
import { Refusal, refuse } from "./refusal.ts";
import { elsewhere, strike } from "./strike.ts";
import type { Task } from "./tasks.ts";

const variants = ["video", "thumbnail", "spritesheet"] as const;
type Variant = (typeof variants)[number];

const zeros = new Uint8Array(1024 * 1024);

/** GET /v1/videos/{id}/content */
export async function content(call: Call): Promise<void> {
  const { world, response } = call;
  const task = taskOf(call);
  const known = task instanceof Refusal ? undefined : task;
  if (known) known.contents += 1;
  else world.looks.unknown += 1;
  world.looks.contents += 1;
  const variant = variantOf(call);
  // Rules are about the video's bytes; what comes of its pictures, `capabilities.variants` says.
  const isStruck = variant === "video" || variant instanceof Refusal;
  const rule = isStruck ? world.faults.strike("content", false, occasion(call, { task: known })) : undefined;
  if (rule && (await strike(call, rule, known))) return;
  if (task instanceof Refusal) return refuse(response, task);
  if (variant instanceof Refusal) return refuse(response, variant);
  const missing = notThere(call, task, rule) ?? withheld(call, variant);
  if (missing) return refuse(response, missing);
  if (rule?.do === "json_url") response.json({ id: task.id, url: elsewhere(call.request, task) });
  else await serve(call, task, variant, rule);
}

/** Sends one of a finished task's files, and announces how that ended. */
export async function serve(call: Call, task: Task, variant: Variant, rule?: FaultRule): Promise<void> {
  const { world, request, response } = call;
  const served = variant === "video" ? await video(call, task, rule) : await still(task, variant);
  const { looks } = world;
  looks.contentsOpen += 1;
  looks.contentsOpenPeak = Math.max(looks.contentsOpenPeak, looks.contentsOpen);
  const { range: ranges } = world.settings.capabilities;
  const { bytes, whole } = await deliver(request, response, served, { ranges, rule });
  looks.contentsOpen -= 1;
  if (whole && variant === "video") looks.wholeContents += 1;
  world.announcements.emit("content", { task: task.id, variant, bytes, whole });
}

function variantOf({ world, request }: Call): Variant | Refusal {
  if (world.settings.capabilities.variants === false) return "video";
  const given = request.query["variant"] ?? "video";
  return (
    variants.find((variant) => variant === given) ??
    new Refusal(400, "invalid_value", `Invalid 'variant': supported are ${variants.join(", ")}.`, { param: "variant" })
  );
}

/** The refusal of a server that knows the parameter, and has the video alone. */
function withheld({ world }: Call, variant: Variant): Refusal | undefined {
  if (variant === "video" || world.settings.capabilities.variants !== "none") return undefined;
  return new Refusal(404, "variant_not_found", `This video has no ${variant}.`, { param: "variant" });
}

/** Why a task's file cannot be had, if so. */
export function notThere({ world }: Pick<Call, "world">, task: Task, rule?: FaultRule): Refusal | undefined {
  const status = world.tasks.status(task);
  const notReady = new Refusal(404, "video_not_ready", `Video '${task.id}' is not ready; it is ${status}.`);
  if (status === "failed") return new Refusal(404, "video_failed", `Video '${task.id}' failed: there is no file.`);
  if (status !== "completed") return notReady;
  if (rule?.do === "not_ready") return new Refusal(rule.with.status ?? 404, notReady.code, notReady.message);
  if (world.tasks.isExpired(task)) return new Refusal(410, "expired", `The file of video '${task.id}' has expired.`);
  return undefined;
}

async function video({ world }: Call, task: Task, rule?: FaultRule): Promise<Served> {
  const wrong = rule?.do === "wrong_video" ? rule.with : {};
  const size = wrong.size !== undefined && clipSizes.includes(wrong.size) ? wrong.size : task.size;
  const film = await clip(size, wrong.seconds ?? task.seconds);
  const mark = freeBox(Buffer.from(JSON.stringify({ task: task.id, prompt: task.prompt })));
  const parts = [film, mark, ...padding(world.settings.minimumBytes - film.length - mark.length)];
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  return { parts, bytes, contentType: "video/mp4", etag: `"${task.id.slice(-20)}-${bytes.toString(16)}"` };
}

async function still(task: Task, variant: Exclude<Variant, "video">): Promise<Served> {
  const [extension, contentType] =
    variant === "thumbnail" ? (["webp", "image/webp"] as const) : (["jpg", "image/jpeg"] as const);
  const part = await picture(task.size, extension);
  return { parts: [part], bytes: part.length, contentType, etag: `"${task.size}-${extension}"` };
}

/** An MP4 box that players skip: it makes each task's file one of a kind. */
function freeBox(payload: Uint8Array): Uint8Array {
  const box = Buffer.alloc(8 + payload.length);
  box.writeUInt32BE(box.length, 0);
  box.write("free", 4, "latin1");
  box.set(payload, 8);
  return box;
}

/** One big free box, made of the same zeros over and over. */
function padding(bytes: number): Uint8Array[] {
  if (bytes < 8) return [];
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes, 0);
  head.write("free", 4, "latin1");
  const parts: Uint8Array[] = [head];
  for (let left = bytes - 8; left > 0; left -= zeros.length)
    parts.push(zeros.subarray(0, Math.min(left, zeros.length)));
  return parts;
}
