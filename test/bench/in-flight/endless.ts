import type { Upstream } from "@reelq/upstream";
import { type InstantUpstream, instantUpstream } from "../frame/instant.ts";
import { meanRenderSeconds } from "./crowd.ts";

/** An instant upstream whose renders never end, and that remembers when each look came. */
export interface EndlessUpstream extends Upstream {
  readonly asked: InstantUpstream["asked"];
  /** When a task's next look is due, ms since 1970. */
  expect(task: string, dueAt: number): void;
  /** Tasks whose look is due and was not made yet. */
  behind(now: number): number;
  /** Of each look since the last call of this: made after it was due, in ms. */
  takeLateness(): number[];
}

export async function endlessUpstream(size: number): Promise<EndlessUpstream> {
  const instant = await instantUpstream();
  const startedAt = new Float64Array(size + 1);
  const dueAt = new Float64Array(size + 1).fill(Number.POSITIVE_INFINITY);
  let lateness: number[] = [];
  const numberOf = (task: string): number => Number(task.slice(task.lastIndexOf("_") + 1));
  return {
    ...instant,
    asked: instant.asked,
    create(call) {
      startedAt[instant.asked.creates + 1] = Date.now();
      return instant.create(call);
    },
    retrieve(id) {
      instant.asked.looks += 1;
      const number = numberOf(id);
      const now = Date.now();
      lateness.push(now - dueAt[number]!);
      dueAt[number] = Number.POSITIVE_INFINITY;
      const progress = Math.min(99, Math.floor((100 * (now - startedAt[number]!)) / (meanRenderSeconds * 1_000)));
      const task = { id, state: "running", word: "in_progress", wordKnown: true, progress } as const;
      return Promise.resolve({ kind: "seen", task });
    },
    expect: (task, at) => void (dueAt[numberOf(task)] = at),
    behind: (now) => dueAt.reduce((count, at) => count + Number(at < now), 0),
    takeLateness() {
      const taken = lateness;
      lateness = [];
      return taken;
    },
  };
}
