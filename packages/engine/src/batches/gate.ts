import type { VideoIn, WaitReason } from "@reelq/contract";
import { recently } from "../recently.ts";
import type { Clock } from "../clock.ts";
import type { HeldBack } from "../obstacle.ts";
import { sayHeldBack } from "../obstacle.ts";
import { lastStart } from "./forecast.ts";
import { isHeld } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import type { BatchStore } from "./store.ts";
import { neverCloses, readWindow, type SendWindow, type Stretch, stretchAt } from "./window.ts";

/** Why a clip is not sent now. */
export interface Refusal {
  readonly reason: WaitReason;
  readonly detail: string;
}

/** Whether its batch lets a clip be sent now, as far as the scripts do not judge it; `until`: it may be sent up to then, ms since 1970. */
export type Leave = { readonly refusal: Refusal } | { readonly refusal?: undefined; readonly until: number };

const windows = new Map<string, SendWindow>();

/** A window that was judged when it was given. */
export function windowOf(text: string): SendWindow {
  const known = windows.get(text) ?? readWindow(text, "window");
  if (windows.size > 1_000) windows.clear();
  windows.set(text, known);
  return known;
}

/** The stretch in which a batch may send, the one that is open or the next; undefined: at any time. */
export function stretchOf({ window }: Pick<BatchRecord, "window">, now: number): Stretch | undefined {
  if (window === undefined) return undefined;
  const stretch = stretchAt(windowOf(window), now);
  return stretch.closesAt >= neverCloses ? undefined : stretch;
}

/**
 * @param p95Ms how long 19 of 20 renders of its lane and length take at the most
 * @param priced whether its lane's price is known
 */
export function judgeSending(
  video: Pick<VideoIn<"queued">, "batch" | "request">,
  batch: BatchRecord | undefined,
  now: number,
  p95Ms: number,
  priced: boolean,
): Leave {
  if (!batch) return { refusal: { reason: "paused", detail: "its batch is gone" } };
  if (isHeld(video)) return { refusal: { reason: "dependency", detail: "the clip that it remixes is not stored yet" } };
  if (batch.budget !== undefined && !priced)
    return { refusal: { reason: "budget", detail: "its batch has a budget, and nobody said what its lane costs" } };
  const stretch = stretchOf(batch, now);
  if (!stretch) return { until: Infinity };
  const latest = lastStart(stretch.closesAt, p95Ms);
  if (!stretch.isOpen) return { refusal: { reason: "window", detail: `the window ${batch.window ?? ""} is closed` } };
  if (now > latest)
    return {
      refusal: { reason: "window", detail: "it would most likely not be rendered before the window closes" },
    };
  return { until: stretch.closesAt };
}

/** The same of what the scripts refused. */
export const refusalOf = (by: HeldBack): Refusal => ({
  reason: by.kind === "budget" ? "budget" : by.kind === "canary" ? "canary" : "paused",
  detail: sayHeldBack(by),
});

/** Batches as they were a moment ago: a window or a price needs no fresher word, and for the rest the scripts ask again. */
export function openGates(store: Pick<BatchStore, "read">, clock: Clock) {
  const known = recently<BatchRecord | undefined>(clock, () => 250);
  return (id: BatchRecord["id"]): Promise<BatchRecord | undefined> => known(id, () => store.read(id));
}
