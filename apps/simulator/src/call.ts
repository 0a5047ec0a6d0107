import type { Request, Response } from "express";
import type { Occasion, Operation } from "./faults.ts";
import { Refusal } from "./refusal.ts";
import type { Task } from "./tasks.ts";
import type { World } from "./world.ts";

/** One call of the API on its way. */
export interface Call {
  readonly world: World;
  readonly operation: Operation;
  readonly request: Request;
  readonly response: Response;
  /** The bearer token; empty where there was none. */
  readonly key: string;
}

export function openCall(world: World, operation: Operation, request: Request, response: Response): Call {
  return { world, operation, request, response, key: bearer(request.headers.authorization) };
}

/** The call as the fault rules see it. */
export function occasion(call: Call, about: Pick<Occasion, "prompt" | "model" | "task"> = {}): Occasion {
  const { world, key, request } = call;
  const status = about.task && world.tasks.status(about.task);
  return { key, id: idIn(request), nowMs: world.now(), status, ...about };
}

export function unauthorized({ world, key }: Call): Refusal | undefined {
  const { keys } = world.settings;
  if (keys.length === 0 || keys.includes(key)) return undefined;
  return new Refusal(401, "invalid_api_key", key === "" ? "No API key was provided." : "Incorrect API key provided.", {
    headers: { "www-authenticate": "Bearer" },
  });
}

/** The task that the path names, if it is there and this key's. */
export function taskOf({ world, request, key }: Call): Task | Refusal {
  const id = idIn(request);
  const task = world.tasks.find(id);
  if (task && task.deletedAt === null && isVisible(world, task, key)) return task;
  return new Refusal(404, "video_not_found", `Video with id '${id}' not found.`, { param: "video_id" });
}

/** Accounts see their own tasks only, once there are accounts. */
export const isVisible = (world: World, task: Task, key: string): boolean =>
  world.settings.keys.length === 0 || task.key === key;

function idIn({ params }: Request): string {
  const id = params["id"];
  return typeof id === "string" ? id : "";
}

const bearer = (authorization: string | undefined): string =>
  /^bearer\s+(.*)$/i.exec(authorization ?? "")?.[1]?.trim() ?? "";
