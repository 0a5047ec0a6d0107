import type { ClipBody, Status } from "@reelq/contract";
import type { Icon } from "./icons.ts";

/** What a clip is to the people of its batch: its status, unless it is done without. */
export type Standing = Status | "skipped" | "waived";

interface Look {
  readonly word: string;
  readonly icon: Icon;
  readonly meaning: string;
}

/** In the order in which a reader wants them. */
export const standings = {
  stored: { word: "stored", icon: "check", meaning: "the file is in storage, verified" },
  failed: { word: "failed", icon: "cross", meaning: "final; the reason says who can act" },
  in_doubt: { word: "in doubt", icon: "question", meaning: "a POST was sent and its fate is not known" },
  downloading: { word: "downloading", icon: "down", meaning: "rendered; on its way into storage" },
  rendering: { word: "rendering", icon: "turn", meaning: "the upstream is at work on it" },
  submitting: { word: "submitting", icon: "arrow", meaning: "being sent" },
  queued: { word: "queued", icon: "clock", meaning: "nothing was sent yet" },
  skipped: { word: "skipped", icon: "skip", meaning: "its source failed, so it was not sent" },
  cancelled: { word: "cancelled", icon: "ban", meaning: "taken back" },
  waived: { word: "waived", icon: "minus", meaning: "somebody decided to do without" },
} as const satisfies Record<Standing, Look>;

export const standingNames = Object.keys(standings) as Standing[];

export function standingOf({ status, skipped, waived }: ClipBody): Standing {
  if (waived) return "waived";
  return skipped ? "skipped" : status;
}
