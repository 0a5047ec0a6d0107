import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { type Fault, FaultBook } from "./faults.ts";
import { SlidingWindow } from "./limits.ts";
import { type Looks, noLooks } from "./looks.ts";
import { type Post, PostBook } from "./posts.ts";
import { changed, defaultSettings, type Settings, type SettingsPatch, settingsPatchSchema } from "./settings.ts";
import { type Task, TaskTable } from "./tasks.ts";

/** What a simulator announces. */
export interface Announcements {
  /** A POST whose answer is decided; it may be lost on the way. */
  post: [Post];
  /** A retrieve of one task, or a list. */
  look: [{ readonly operation: "retrieve" | "list"; readonly task: string | null }];
  /** A content call that ended. */
  content: [{ readonly task: string; readonly variant: string; readonly bytes: number; readonly whole: boolean }];
  /** It listens again after a restart that kept it away. */
  back: [];
}

export interface WorldOptions extends SettingsPatch {
  /** The same seed draws the same render times and the same fault dice; random where left out. */
  readonly seed?: string | undefined;
  /** The clock in ms; the machine's where left out. */
  readonly now?: (() => number) | undefined;
}

/** All that a running simulator knows. */
export interface World {
  readonly seed: string;
  readonly now: () => number;
  readonly announcements: EventEmitter<Announcements>;
  settings: Settings;
  tasks: TaskTable;
  faults: FaultBook;
  looks: Looks;
  readonly posts: PostBook;
  readonly creates: SlidingWindow;
  readonly reads: SlidingWindow;
  /** As at the start: nothing happened yet, and no setting changed. */
  reset(): void;
}

/** @throws ZodError where an option is wrong */
export function createWorld({ seed = randomBytes(6).toString("hex"), now = Date.now, ...patch }: WorldOptions): World {
  const settings = changed(defaultSettings, settingsPatchSchema.parse(patch));
  const world: World = {
    seed,
    now,
    announcements: new EventEmitter<Announcements>(),
    settings,
    tasks: new TaskTable(seed, now),
    faults: new FaultBook(seed),
    looks: noLooks(),
    posts: new PostBook(),
    creates: new SlidingWindow(60_000, now),
    reads: new SlidingWindow(1000, now),
    reset() {
      world.settings = settings;
      world.tasks = new TaskTable(seed, now);
      world.faults = new FaultBook(seed);
      world.looks = noLooks();
      world.posts.clear();
      world.creates.clear();
      world.reads.clear();
    },
  };
  return world;
}

/** Tasks that a control call names: by id, by a part of the prompt, or all. */
export const namedTasks = (world: World, { task, prompt }: Pick<Fault, "task" | "prompt">): readonly Task[] =>
  world.tasks
    .all()
    .filter((one) => (task === undefined || one.id === task) && (prompt === undefined || one.prompt.includes(prompt)));
