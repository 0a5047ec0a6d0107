import type { Socket } from "node:net";
import { type FaultInput, type FaultRule, faultSchema } from "./faults.ts";
import { type Looks, type RenderLoad, renderLoad } from "./looks.ts";
import { type Post, postBody } from "./posts.ts";
import { changed, type Settings, type SettingsPatch, settingsPatchSchema } from "./settings.ts";
import { type Task, type TaskFailure, taskBody } from "./tasks.ts";
import { type Seen, waitFor, waitSchema, type WaitTarget } from "./wait.ts";
import { namedTasks, type World } from "./world.ts";

/** Which tasks are meant: by id, by a part of the prompt; neither means all. */
interface Named {
  readonly task?: string | undefined;
  readonly prompt?: string | undefined;
}

export interface RestartOptions {
  /** Forget every task, as in-memory servers do. */
  readonly forget?: boolean;
  /** Refuse connections for so long. */
  readonly downMs?: number;
}

/** Scripts a simulator and reads what it saw: what `/_sim` does over HTTP, in process. */
export interface Handle {
  /** @throws ZodError where the rule is wrong */
  addFault(rule: FaultInput): FaultRule;
  faults(): readonly FaultRule[];
  clearFaults(): void;
  /** @throws ZodError where the patch is wrong */
  configure(patch: SettingsPatch): Settings;
  posts(): readonly Post[];
  tasks(): readonly Record<string, unknown>[];
  looks(): Looks & { renders: RenderLoad & { byModel: Record<string, RenderLoad> } };
  wait(target: WaitTarget): Promise<Seen & { reached: boolean }>;
  /** @returns the ids of the tasks meant */
  complete(named?: Named): string[];
  fail(named?: Named & { readonly [K in keyof TaskFailure]?: TaskFailure[K] | undefined }): string[];
  expire(named?: Named): string[];
  /** @param spare a connection to keep, for the answer that is on it */
  restart(options?: RestartOptions, spare?: Socket): void;
  reset(): void;
}

export function createHandle(
  world: World,
  { restart, closing }: { restart: Handle["restart"]; closing: AbortSignal },
): Handle {
  const each = (named: Named, act: (task: Task) => void): string[] =>
    namedTasks(world, named)
      .filter(({ deletedAt }) => deletedAt === null)
      .map((task) => {
        act(task);
        return task.id;
      });
  return {
    addFault: (rule) => world.faults.add(faultSchema.parse(rule)),
    faults: () => world.faults.list(),
    clearFaults: () => world.faults.clear(),
    configure(patch) {
      world.settings = changed(world.settings, settingsPatchSchema.parse(patch));
      return world.settings;
    },
    posts: () => world.posts.all().map(postBody),
    tasks: () => world.tasks.all().map((task) => taskReport(world, task)),
    looks: () => ({ ...world.looks, renders: renderLoad(world.tasks, world.now()) }),
    wait: (target) => waitFor(world, waitSchema.parse(target), closing),
    complete: (named = {}) => each(named, (task) => world.tasks.complete(task, world.settings)),
    fail: ({ code = "render_failed", message = "The video could not be rendered.", ...named } = {}) =>
      each(named, (task) => world.tasks.fail(task, { code, message })),
    expire: (named = {}) => each(named, (task) => world.tasks.expire(task)),
    restart,
    reset: () => world.reset(),
  };
}

function taskReport(world: World, task: Task): Record<string, unknown> {
  const { number, key, renderMs, looks, contents, deletedAt } = task;
  return { ...taskBody(task, world.tasks, world.now()), number, key, renderMs, looks, contents, deletedAt };
}
