import { type BatchBody, failureClasses, isBatchOver } from "@reelq/contract";
import { sayNumber, several } from "./amount.ts";
import { shellCommand } from "./command.ts";
import type { Pointer, Pointers, Tally } from "./tally.ts";

/** A command to type, and when it is the right one. */
export interface Step {
  readonly when: string;
  readonly command: string;
}

/** What waits for a person. */
export interface Need {
  readonly title: string;
  readonly why: string;
  readonly steps: readonly Step[];
  readonly clips: Pointers | undefined;
}

/**
 * Whether nothing went wrong and nothing waits for a person: no clip failed (waived ones do not count) or is in
 * doubt, the batch was accepted, and neither a pause, a cap nor the end of its window holds it up or cut it short.
 * One that still runs may be clean so far; so is one that a person cancelled.
 */
export function isClean({ reelq: { state, counts, reason } }: Pick<BatchBody, "reelq">): boolean {
  if (counts.failed > 0 || counts.in_doubt > 0) return false;
  if (state === "failed" || state === "paused" || state === "expired") return false;
  return reason === null || (state === "cancelled" ? reason.code === "person" : reason.command === null);
}

/** What waits for a person, the most pressing first. */
export const needsOf = (batch: BatchBody, tally: Tally): readonly Need[] => [
  ...stopped(batch),
  ...doubts(tally),
  ...again(batch, tally),
  ...reworded(batch, tally),
  ...insisted(batch, tally),
  ...leftOut(batch, tally),
];

function stopped({ id, errors, reelq: { state, reason } }: BatchBody): Need[] {
  if (state === "failed")
    return [
      {
        title: errors?.data.length ? "The manifest has mistakes" : "The batch could not be accepted",
        why: "All or nothing: no clip was made and nothing was spent. Mend the lines below, then run it again.",
        steps: [{ when: "With the mended file", command: "reelq batch run FILE" }],
        clips: undefined,
      },
    ];
  const command = reason?.command ?? (state === "paused" ? `reelq batch resume ${id}` : null);
  if (command === null) return [];
  return [
    {
      title: state === "paused" ? "The batch is paused" : "The batch has stopped",
      why: reason?.message ?? "It sends nothing until somebody resumes it.",
      steps: [{ when: "To go on", command }],
      clips: undefined,
    },
  ];
}

function doubts({ doubts: clips }: Tally): Need[] {
  if (clips.count === 0) return [];
  const shown = clips.first.slice(0, 5);
  const each = shown.flatMap(({ videoId, customId, take }): Step[] => {
    const name = take > 1 ? `${customId}, take ${take}` : customId;
    return [
      { when: `${name}: look first`, command: `reelq show ${videoId}` },
      { when: "If the upstream has a task for it", command: `reelq resolve ${videoId} --task TASK` },
      { when: "If the upstream has none", command: `reelq resolve ${videoId} --resubmit` },
      { when: "To give it up", command: `reelq resolve ${videoId} --fail` },
    ];
  });
  const more = { when: `All ${sayNumber(clips.count)} of them`, command: "reelq list --status in_doubt" };
  return [
    {
      title: `${several(clips.count, "clip")} in doubt`,
      why: "The request went out and nobody knows whether the upstream took it. It is looked for by itself; what evidence cannot settle, a person must, because sending it again may be paid twice.",
      steps: clips.count > shown.length ? [...each, more] : each,
      clips,
    },
  ];
}

function again({ id }: BatchBody, tally: Tally): Need[] {
  const clips = together(tally, "allowed", () => true);
  if (clips.count === 0) return [];
  return [
    {
      title: `${several(clips.count, "clip")} failed and may be tried again as ${clips.count === 1 ? "it is" : "they are"}`,
      why: "A retry is a new attempt, with its own price.",
      steps: [{ when: "To try again", command: `reelq batch retry ${id}` }, ...waive(id, clips)],
      clips,
    },
  ];
}

/** Blocked or refused for what they ask: the same would be refused again. */
function reworded({ id }: BatchBody, tally: Tally): Need[] {
  const clips = together(tally, "insist", isAsked);
  if (clips.count === 0) return [];
  return [
    {
      title: `${several(clips.count, "clip")} ${clips.count === 1 ? "needs" : "need"} another prompt`,
      why: "The upstream refused what is asked for, and would again. Write the new prompts into a file with the columns id and prompt.",
      steps: [
        { when: "With the new prompts", command: `reelq batch retry ${id} --prompts prompts.csv` },
        ...waive(id, clips),
      ],
      clips,
    },
  ];
}

function insisted({ id }: BatchBody, tally: Tally): Need[] {
  const clips = together(tally, "insist", (name) => !isAsked(name));
  if (clips.count === 0) return [];
  const command = shellCommand("reelq", "batch", "retry", id, "--insist", ...idsOf(clips));
  return [
    {
      title: `${several(clips.count, "clip")} failed, and trying again may be paid twice`,
      why: "A render may exist at the upstream. Look there before you insist.",
      steps: [
        ...(command === undefined || !isWhole(clips) ? [] : [{ when: "To try again all the same", command }]),
        ...waive(id, clips),
      ],
      clips,
    },
  ];
}

/** What the batch has given up; its manifest, run again, renders only that. */
function leftOut({ reelq: { state } }: BatchBody, { standings, skipped }: Tally): Need[] {
  const count = (standings.get("skipped") ?? 0) + (standings.get("cancelled") ?? 0);
  if (count === 0 || !isBatchOver(state)) return [];
  return [
    {
      title: `${several(count, "clip")} ${count === 1 ? "was" : "were"} left out`,
      why:
        state === "expired"
          ? "The window closed before their turn. The same manifest, run again, renders only what is not stored."
          : "The same manifest, run again, renders only what is not stored.",
      steps: [{ when: "To render the rest", command: "reelq batch run FILE" }],
      clips: skipped.count === count ? skipped : undefined,
    },
  ];
}

const isAsked = (name: string): boolean => name === "moderated" || name === "refused";

function together({ reasons }: Tally, retry: "allowed" | "insist", of: (name: string) => boolean): Pointers {
  const found = [...reasons.values()].filter((reason) => of(reason.class)).map((reason) => reason[retry]);
  return {
    count: found.reduce((sum, { count }) => sum + count, 0),
    first: found.flatMap(({ first }) => first).toSorted((one, other) => one.number - other.number),
  };
}

function waive(id: string, clips: Pointers): Step[] {
  const command = isWhole(clips) ? shellCommand("reelq", "batch", "waive", id, ...idsOf(clips)) : undefined;
  return command === undefined ? [] : [{ when: "To do without", command }];
}

const mostNamed = 12;
const isWhole = ({ count, first }: Pointers): boolean => count === first.length && count <= mostNamed;

/** Custom ids, each once; `--` before them where one would be taken for an option. */
function idsOf({ first }: Pointers): string[] {
  const ids = [...new Set(first.map(({ customId }: Pointer) => customId))];
  return ids.some((id) => id.startsWith("-")) ? ["--", ...ids] : ids;
}

/** Who can act on a failure of this class, in words. */
export const actorOf = (name: keyof typeof failureClasses): string =>
  ({ producer: "who wrote the prompt", operator: "who runs reelq", nobody: "nobody" })[failureClasses[name].actor];
