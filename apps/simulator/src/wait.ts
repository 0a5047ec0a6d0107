import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { World } from "./world.ts";

const checkMs = 20;
const count = z.coerce.number().int().nonnegative();

export const waitSchema = z.strictObject({
  /** POSTs whose answer is decided. */
  posts: count.optional(),
  tasks: count.optional(),
  /** Tasks whose render is over and went well. */
  completed: count.optional(),
  /** Videos sent to the last byte. */
  contents: count.optional(),
  timeoutMs: z.coerce.number().int().nonnegative().max(600_000).default(10_000),
});
export type WaitTarget = z.input<typeof waitSchema>;

export interface Seen {
  readonly posts: number;
  readonly tasks: number;
  readonly completed: number;
  readonly contents: number;
}

/** Waits until at least so many were seen, or the time is over. */
export async function waitFor(
  world: World,
  target: z.output<typeof waitSchema>,
  closing: AbortSignal,
): Promise<Seen & { reached: boolean }> {
  const deadline = performance.now() + target.timeoutMs;
  // Looks again and again: a render's end is read off the clock, so nothing announces it.
  for (;;) {
    const seen = countSeen(world);
    const reached = reaches(seen, target);
    if (reached || closing.aborted || performance.now() >= deadline) return { ...seen, reached };
    await delay(checkMs);
  }
}

function countSeen({ posts, tasks, looks }: World): Seen {
  return {
    posts: posts.all().filter(({ answered }) => answered !== null).length,
    tasks: tasks.all().length,
    completed: tasks.all().filter((task) => tasks.status(task) === "completed").length,
    contents: looks.wholeContents,
  };
}

const reaches = (seen: Seen, target: z.output<typeof waitSchema>): boolean =>
  seen.posts >= (target.posts ?? 0) &&
  seen.tasks >= (target.tasks ?? 0) &&
  seen.completed >= (target.completed ?? 0) &&
  seen.contents >= (target.contents ?? 0);
