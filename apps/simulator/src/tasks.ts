import { randomBytes } from "node:crypto";
import { diceFor, logNormal } from "./dice.ts";
import type { Settings } from "./settings.ts";

const medianRenderMs = 105_000;
const renderSigma = 0.45;
const queuedShare = 0.1;

/** What was asked for, whole and valid. */
export interface Asked {
  readonly prompt: string;
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
  readonly remixOf: string | null;
}

export interface TaskFailure {
  readonly code: string;
  readonly message: string;
}

/** A render job. Times in ms; what it is doing follows from the clock, so a task costs no timer. */
export interface Task extends Asked {
  readonly id: string;
  /** Counts from 1; its place in the table. */
  readonly number: number;
  readonly key: string;
  readonly createdAt: number;
  readonly renderMs: number;
  /** When the render ends, well or not. */
  endsAt: number;
  failure: TaskFailure | null;
  expiresAt: number;
  deletedAt: number | null;
  looks: number;
  contents: number;
}

export type TaskStatus = "queued" | "processing" | "completed" | "failed";

export class TaskTable {
  readonly #seed: string;
  readonly #now: () => number;
  readonly #list: Task[] = [];
  readonly #byId = new Map<string, Task>();
  readonly #running = new Set<Task>();

  constructor(seed: string, now: () => number) {
    this.#seed = seed;
    this.#now = now;
  }

  create(asked: Asked, key: string, settings: Settings): Task {
    const number = this.#list.length + 1;
    const createdAt = this.#now();
    const renderMs = settings.renderMs ?? drawRenderMs(this.#seed, number) * settings.timeScale;
    const endsAt = createdAt + renderMs;
    const task: Task = {
      ...asked,
      id: newId(settings.ids, asked.model, createdAt),
      number,
      key,
      createdAt,
      renderMs,
      endsAt,
      failure: null,
      expiresAt: endsAt + settings.expiresAfterMs,
      deletedAt: null,
      looks: 0,
      contents: 0,
    };
    this.#list.push(task);
    this.#byId.set(task.id, task);
    this.#running.add(task);
    return task;
  }

  /** The task of this id, deleted ones too. */
  find(id: string): Task | undefined {
    return this.#byId.get(id);
  }

  /** Every task ever made, by number; those deleted or forgotten too. */
  all(): readonly Task[] {
    return this.#list;
  }

  /** How many of a key's tasks run now. */
  running(key: string): number {
    let count = 0;
    for (const task of this.#running) {
      if (!this.isRunning(task)) this.#running.delete(task);
      else if (task.key === key) count += 1;
    }
    return count;
  }

  isRunning(task: Task): boolean {
    return task.deletedAt === null && this.#now() < task.endsAt;
  }

  status(task: Task): TaskStatus {
    const now = this.#now();
    if (now >= task.endsAt) return task.failure ? "failed" : "completed";
    return now < task.createdAt + task.renderMs * queuedShare ? "queued" : "processing";
  }

  isExpired(task: Task): boolean {
    return this.#now() >= task.expiresAt;
  }

  /** Ends a render now; a finished one stays as it is. */
  complete(task: Task, settings: Settings): void {
    if (!this.isRunning(task)) return;
    task.endsAt = this.#now();
    task.expiresAt = task.endsAt + settings.expiresAfterMs;
  }

  /** Makes the task end badly: a running one now, a finished one from now on. */
  fail(task: Task, failure: TaskFailure): void {
    task.failure = failure;
    task.endsAt = Math.min(task.endsAt, this.#now());
  }

  expire(task: Task): void {
    task.expiresAt = this.#now();
  }

  delete(task: Task): void {
    task.deletedAt = this.#now();
  }

  /** As an in-memory server's restart would: no id is known any more. What ran stays counted. */
  forget(): void {
    for (const task of this.#byId.values()) task.deletedAt ??= this.#now();
    this.#byId.clear();
    this.#running.clear();
  }
}

/** The task as the API shows it. */
export function taskBody(task: Task, tasks: TaskTable, now: number): Record<string, unknown> {
  const status = tasks.status(task);
  const completed = status === "completed";
  return {
    id: task.id,
    object: "video",
    created_at: unixSeconds(task.createdAt),
    status,
    completed_at: completed ? unixSeconds(task.endsAt) : null,
    error: status === "failed" ? task.failure : null,
    expires_at: completed ? unixSeconds(task.expiresAt) : null,
    model: task.model,
    progress: completed ? 100 : progressOf(task, Math.min(now, task.endsAt)),
    remixed_from_video_id: task.remixOf,
    seconds: String(task.seconds),
    size: task.size,
    prompt: task.prompt,
  };
}

/** The render time that the task of this number draws. */
export const drawRenderMs = (seed: string, number: number): number =>
  logNormal(diceFor(seed, `render/${number}`), medianRenderMs, renderSigma);

function progressOf(task: Task, at: number): number {
  if (task.renderMs === 0) return 0;
  const done = (at - task.createdAt) / task.renderMs;
  const share = (done - queuedShare) / (1 - queuedShare);
  return Math.min(99, Math.max(0, Math.floor(share * 100)));
}

/** Random even with a seed: an id must not come again after a restart and mean another video. */
function newId(style: Settings["ids"], model: string, createdAt: number): string {
  if (style === "colons") return `${model}:task_${randomBytes(16).toString("hex")}`;
  if (style === "base64") return randomBytes(120).toString("base64");
  return `video_${unixSeconds(createdAt).toString(16)}${randomBytes(20).toString("hex")}`;
}

const unixSeconds = (ms: number): number => Math.floor(ms / 1000);
