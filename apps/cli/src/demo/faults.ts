/**
 * What goes wrong on the way, so that the demo shows it survived: rules for the simulator (apps/simulator),
 * each with the words it is reported in.
 */
export const faults = [
  {
    rule: { on: "create", do: "throttle", times: 2, with: { retryAfterSeconds: 1 } },
    said: "429 Too Many Requests, with Retry-After",
    survived: "the lane waited and sent it again",
  },
  {
    rule: { on: "create", do: "lose_reply", times: 1, prompt: "lighthouse" },
    said: "reply lost after the task was created",
    survived: "found in the upstream's list, not paid for twice",
  },
  {
    rule: { on: "retrieve", do: "html", times: 2, after: 3, with: { status: 502 } },
    said: "502 Bad Gateway on a status query",
    survived: "a missed look, nothing more",
  },
  {
    rule: { on: "retrieve", do: "reset", times: 2, after: 8 },
    said: "connection reset on a status query",
    survived: "a missed look, nothing more",
  },
  {
    rule: { on: "content", do: "not_ready", times: 2 },
    said: "404 for a file just completed",
    survived: "asked again a little later",
  },
  {
    rule: { on: "content", do: "truncate", times: 1, after: 4 },
    said: "download cut in the middle",
    survived: "nothing half was stored; fetched again",
  },
] as const;

/** One of the simulator's rules as it tells of it. */
interface StruckRule {
  readonly struck: number;
}

/** Hands the rules to the simulator. */
export async function scriptFaults(simulator: string): Promise<void> {
  const response = await fetch(`${simulator}/_sim/faults`, {
    method: "POST",
    body: JSON.stringify(faults.map(({ rule }) => rule)),
  });
  if (!response.ok) throw new Error(`The simulator refused the demo's faults: ${await response.text()}`);
}

/** How often each of them struck, in their order. */
export async function countFaults(simulator: string): Promise<readonly number[]> {
  const { data } = (await (await fetch(`${simulator}/_sim/faults`)).json()) as { data: StruckRule[] };
  return data.map(({ struck }) => struck);
}

/** How many tasks the upstream made: what would have been billed. */
export async function countTasks(simulator: string): Promise<number> {
  const { data } = (await (await fetch(`${simulator}/_sim/tasks`)).json()) as { data: unknown[] };
  return data.length;
}
