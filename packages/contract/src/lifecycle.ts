/** Every status a video can have, in the order a video usually meets them. */
export const statuses = [
  "queued",
  "submitting",
  "in_doubt",
  "rendering",
  "downloading",
  "stored",
  "failed",
  "cancelled",
] as const;

export type Status = (typeof statuses)[number];

/** Who makes a move: a stage, the reconciling of a doubt, or a person. */
export type Mover = "submit" | "reconcile" | "poll" | "download" | "batch" | "person";

export interface Move {
  readonly from: Status;
  readonly to: Status;
  readonly by: readonly Mover[];
  readonly when: string;
}

/**
 * Every allowed move. The ledger's guard, the drawing in docs/lifecycle.md and the tests are derived from
 * this table; a move that is not here cannot happen.
 */
export const moves = [
  {
    from: "queued",
    to: "queued",
    by: ["submit", "batch"],
    when: "it must wait, or its batch lets it go; the reason is kept",
  },
  { from: "queued", to: "submitting", by: ["submit"], when: "the lane gave leave; the intent is written" },
  { from: "queued", to: "failed", by: ["submit", "batch"], when: "it can never be sent" },
  { from: "queued", to: "cancelled", by: ["batch", "person"], when: "a cancel; nothing was sent" },
  { from: "submitting", to: "queued", by: ["submit"], when: "proved not sent, or throttled" },
  { from: "submitting", to: "rendering", by: ["submit"], when: "the upstream gave a task id" },
  { from: "submitting", to: "failed", by: ["submit"], when: "the upstream refused it for good" },
  { from: "submitting", to: "in_doubt", by: ["submit"], when: "a POST was sent and its fate is unknown" },
  { from: "in_doubt", to: "in_doubt", by: ["reconcile"], when: "looked again; no proof yet" },
  {
    from: "in_doubt",
    to: "rendering",
    by: ["reconcile", "person"],
    when: "exactly one task matches, or a person names it",
  },
  {
    from: "in_doubt",
    to: "queued",
    by: ["reconcile", "person"],
    when: "proof that nothing was created, the policy resubmit, or a person's word",
  },
  { from: "in_doubt", to: "failed", by: ["person"], when: "a person gives it up" },
  { from: "rendering", to: "rendering", by: ["poll"], when: "a look; not done yet, or missed" },
  { from: "rendering", to: "downloading", by: ["poll"], when: "the upstream says completed" },
  { from: "rendering", to: "failed", by: ["poll"], when: "the upstream says failed, or forgot the task" },
  { from: "rendering", to: "cancelled", by: ["person"], when: "a cancel that abandons what was paid" },
  { from: "downloading", to: "downloading", by: ["download"], when: "not there yet, or broken off" },
  { from: "downloading", to: "stored", by: ["download"], when: "the bytes are safe and verified" },
  { from: "downloading", to: "failed", by: ["download"], when: "expired, or never a video" },
  { from: "downloading", to: "cancelled", by: ["person"], when: "a cancel that abandons what was paid" },
  { from: "failed", to: "queued", by: ["person"], when: "a retry: a new attempt" },
] as const satisfies readonly Move[];

const allowed = new Set<string>(moves.map(({ from, to }) => `${from}>${to}`));

export const isAllowed = (from: Status, to: Status): boolean => allowed.has(`${from}>${to}`);

const moving = new Set<Status>(
  moves.filter(({ by }) => !(by as readonly Mover[]).every((mover) => mover === "person")).map(({ from }) => from),
);

/** Final: no stage moves it on. A person may still retry a failed video. */
export const isFinal = (status: Status): boolean => !moving.has(status);

/** What a client that knows only the OpenAI shape is told. */
export const publicStatus = {
  queued: "queued",
  submitting: "queued",
  in_doubt: "queued",
  rendering: "in_progress",
  downloading: "in_progress",
  stored: "completed",
  failed: "failed",
  cancelled: "failed",
} as const satisfies Record<Status, "queued" | "in_progress" | "completed" | "failed">;
