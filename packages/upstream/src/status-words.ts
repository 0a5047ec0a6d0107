import type { TaskState } from "./upstream.ts";

/** Every status word that a server is known to say, lower case, with underscores for dashes and spaces. */
const words: Readonly<Record<TaskState, readonly string[]>> = {
  waiting: [
    "queued",
    "pending",
    "submitted",
    "not_start",
    "preparing",
    "preprocessing",
    "initializing",
    "created",
    "starting",
    "waiting",
    "queueing",
    "unknown",
  ],
  running: ["in_progress", "processing", "running", "generating", "rendering"],
  completed: ["completed", "complete", "success", "succeed", "succeeded", "finished", "done"],
  failed: ["failed", "fail", "failure", "error"],
  cancelled: ["cancelled", "canceled", "deleted"],
  expired: ["expired"],
};

const stateOfWord = new Map<string, TaskState>(
  Object.entries(words).flatMap(([state, known]) => known.map((word) => [word, state as TaskState] as const)),
);

/** A word that nobody knows means still running: it must never fail a render that is paid for. */
export function readStatus(word: string): { state: TaskState; wordKnown: boolean } {
  const state = stateOfWord.get(
    word
      .trim()
      .toLowerCase()
      .replace(/[\s-]+/g, "_"),
  );
  return { state: state ?? "running", wordKnown: state !== undefined };
}
