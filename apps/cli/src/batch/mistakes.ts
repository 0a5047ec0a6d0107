import type { BatchMistake } from "@reelq/contract";
import { CommandFailure, exitCodes } from "../exit.ts";
import { shorten } from "../terminal.ts";

/** So many mistakes are printed one by one. */
const mostPrinted = 50;
const longestMistake = 1_000;

/** A batch keeps so many. */
export const mostKept = 1_000;

interface Count {
  readonly count: number;
  /** Whether there may be more than were counted. */
  readonly isLeast?: boolean;
}

/** What ends a command whose manifest has mistakes, of which these are known. */
export function refusedManifest(
  title: string,
  mistakes: readonly BatchMistake[],
  { count, isLeast = false }: Count,
): CommandFailure {
  const lines = mistakes.slice(0, mostPrinted).map((mistake) => mistakeLine(title, mistake));
  const more = count - lines.length;
  const least = isLeast ? "at least " : "";
  const end = `${title} has ${count === 1 ? "a mistake" : `${least}${count} mistakes`}; nothing of it was accepted.`;
  return new CommandFailure(
    exitCodes.workFailed,
    [...lines, ...(more > 0 ? [`… and ${least}${more} more.`] : []), end].join("\n"),
  );
}

/** `shots.csv:12: seconds: …`, as compilers say it, so that editors find the place. */
function mistakeLine(title: string, { line, param, message }: BatchMistake): string {
  const place = line === null ? title : `${title}:${line}`;
  return shorten(`${place}: ${param === null ? "" : `${param}: `}${message}`, longestMistake);
}
