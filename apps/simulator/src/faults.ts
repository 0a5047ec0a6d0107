import { z } from "zod";
import { diceFor, type Dice } from "./dice.ts";
import type { Task, TaskStatus } from "./tasks.ts";

export const operations = ["create", "remix", "retrieve", "list", "delete", "content"] as const;
export type Operation = (typeof operations)[number];

const writes: readonly Operation[] = ["create", "remix", "delete"];
const shows = ["create", "remix", "retrieve"] as const;
const everywhere = operations;

interface Kind {
  readonly on: readonly Operation[];
  /** What `with` may say. */
  readonly with: readonly (keyof Details)[];
  readonly means: string;
}

const words = ["code", "message", "headers"] as const;

/** Everything that can be made to go wrong: where, with which details, and what happens. */
export const faultKinds = {
  throttle: {
    on: everywhere,
    with: ["retryAfterSeconds", "retryAfterDate", ...words],
    means: "429 with Retry-After: seconds (1 where not said), or a date with retryAfterDate",
  },
  no_quota: { on: everywhere, with: words, means: "429 insufficient_quota: nothing passes until someone pays" },
  status: {
    on: everywhere,
    with: ["status", "body", ...words],
    means: "this HTTP status (500), with a JSON error or the given body",
  },
  html: { on: everywhere, with: ["status", "headers"], means: "a gateway's HTML page (502)" },
  json_error: { on: everywhere, with: ["status", ...words], means: "a JSON error with HTTP 200" },
  garbage: {
    on: everywhere,
    with: ["bytes"],
    means: "half a JSON text with HTTP 200; for content: noise that says it is video/mp4",
  },
  hang: { on: everywhere, with: [], means: "never answers; with late: after the call took effect" },
  reset: { on: everywhere, with: [], means: "the connection is reset; with late: after the call took effect" },
  lose_reply: { on: everywhere, with: [], means: "takes effect, then the connection closes without an answer" },
  slow: {
    on: everywhere,
    with: ["ms", "bytesPerSecond"],
    means: "answers after ms; content at bytesPerSecond",
  },
  redirect: {
    on: everywhere,
    with: ["status", "location"],
    means: "302 to location; for content without one: to the same bytes under another host name, no key needed",
  },
  patch: {
    on: shows,
    with: ["body", "status", "headers"],
    means: "the task object with the fields of body laid over it, and this HTTP status (200)",
  },
  word: { on: shows, with: ["word"], means: "the task's status is this word (marinating)" },
  sparse: { on: shows, with: ["status"], means: "the task object is only {id, status}; HTTP 200, or say 202" },
  fail_task: {
    on: shows,
    with: ["code", "message"],
    means: "the task fails: at its end where struck on create, at once on retrieve",
  },
  hide: { on: ["list"], with: [], means: "the list is empty" },
  not_ready: {
    on: ["content"],
    with: ["ms", "status"],
    means: "404 although completed; with ms: only that long after completion",
  },
  expire: { on: ["content", "retrieve"], with: [], means: "the file expires now" },
  truncate: {
    on: ["content"],
    with: ["bytes", "silent"],
    means: "cut after bytes (half): Content-Length says more; with silent: chunked, and it looks whole",
  },
  stall: { on: ["content"], with: ["bytes"], means: "stops after bytes (half) and never goes on" },
  no_length: { on: ["content"], with: [], means: "chunked, without Content-Length" },
  json_url: { on: ["content"], with: [], means: "JSON that says the URL of the bytes" },
  wrong_video: { on: ["content"], with: ["seconds", "size"], means: "a video of another length or size" },
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof faultKinds;
const kindNames = Object.keys(faultKinds) as [FaultKind, ...FaultKind[]];

const detailsSchema = z
  .strictObject({
    status: z.number().int().min(200).max(599),
    headers: z.record(z.string(), z.string()),
    body: z.union([z.string(), z.record(z.string(), z.unknown())]),
    retryAfterSeconds: z.number().nonnegative(),
    retryAfterDate: z.boolean(),
    ms: z.number().int().nonnegative().max(3_600_000),
    bytes: z.number().int().nonnegative(),
    bytesPerSecond: z.number().positive(),
    code: z.string(),
    message: z.string(),
    word: z.string(),
    location: z.string(),
    seconds: z.number().positive().max(120),
    size: z.string(),
    silent: z.boolean(),
  })
  .partial();
export type Details = z.infer<typeof detailsSchema>;

export const faultSchema = z
  .strictObject({
    on: z.enum(operations),
    do: z.enum(kindNames),
    /** Strikes after the call took effect: the task is made (or deleted), only the answer suffers. */
    late: z.boolean().optional(),
    /** How often it strikes; 0 is for ever. */
    times: z.number().int().nonnegative().default(1),
    /** Matching calls that it lets pass first. */
    after: z.number().int().nonnegative().default(0),
    /** The chance that a matching call is struck. */
    rate: z.number().min(0).max(1).default(1),
    /** What the task's prompt must contain. */
    prompt: z.string().optional(),
    task: z.string().optional(),
    model: z.string().optional(),
    key: z.string().optional(),
    /** What the task must be doing. */
    status: z.enum(["queued", "processing", "completed", "failed"]).optional(),
    with: detailsSchema.default({}),
  })
  .superRefine((rule, context) => {
    const kind: Kind = faultKinds[rule.do];
    if (!kind.on.includes(rule.on))
      context.addIssue({
        code: "custom",
        path: ["on"],
        message: `${rule.do} strikes on ${kind.on.join(", ")}, not on ${rule.on}`,
      });
    if (rule.late && !writes.includes(rule.on))
      context.addIssue({ code: "custom", path: ["late"], message: `is for ${writes.join(", ")}` });
    for (const name of Object.keys(rule.with) as (keyof Details)[])
      if (!kind.with.includes(name))
        context.addIssue({
          code: "custom",
          path: ["with", name],
          message: `${rule.do} takes ${kind.with.length > 0 ? kind.with.join(", ") : "no details"}`,
        });
  });
export type FaultInput = z.input<typeof faultSchema>;
export type Fault = z.output<typeof faultSchema>;

export interface FaultRule extends Fault {
  readonly id: string;
  /** How many calls matched. */
  seen: number;
  /** How many of them it struck. */
  struck: number;
}

/** The call that a rule may strike. */
export interface Occasion {
  readonly key: string;
  readonly id?: string | undefined;
  readonly prompt?: string | undefined;
  readonly model?: string | undefined;
  readonly task?: Task | undefined;
  readonly status?: TaskStatus | undefined;
  readonly nowMs: number;
}

export class FaultBook {
  readonly #seed: string;
  #rules: { rule: FaultRule; dice: Dice }[] = [];
  #added = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  add(fault: Fault): FaultRule {
    this.#added += 1;
    const rule = { ...fault, id: `fault_${this.#added}`, seen: 0, struck: 0 };
    this.#rules.push({ rule, dice: diceFor(this.#seed, rule.id) });
    return rule;
  }

  list(): readonly FaultRule[] {
    return this.#rules.map(({ rule }) => rule);
  }

  remove(id: string): boolean {
    const before = this.#rules.length;
    this.#rules = this.#rules.filter(({ rule }) => rule.id !== id);
    return this.#rules.length < before;
  }

  clear(): void {
    this.#rules = [];
  }

  /** The first rule that strikes here, counted; each rule sees a call either before its effect or after it. */
  strike(on: Operation, late: boolean, occasion: Occasion): FaultRule | undefined {
    for (const { rule, dice } of this.#rules) {
      if (rule.on !== on || isLate(rule) !== late || !matches(rule, occasion)) continue;
      if (rule.times > 0 && rule.struck >= rule.times) continue;
      rule.seen += 1;
      if (rule.seen <= rule.after || dice() >= rule.rate) continue;
      rule.struck += 1;
      return rule;
    }
    return undefined;
  }
}

/** Kinds that work on the task that a call makes or shows can only come after it. */
const lateKinds: ReadonlySet<FaultKind> = new Set(["lose_reply", "patch", "word", "sparse", "fail_task"]);

// A read has no effect to wait for.
const isLate = (rule: Fault): boolean => writes.includes(rule.on) && (rule.late === true || lateKinds.has(rule.do));

function matches(rule: Fault, occasion: Occasion): boolean {
  const { task } = occasion;
  if (rule.key !== undefined && rule.key !== occasion.key) return false;
  if (rule.task !== undefined && rule.task !== (task?.id ?? occasion.id)) return false;
  if (rule.model !== undefined && rule.model !== (task?.model ?? occasion.model)) return false;
  if (rule.prompt !== undefined && !(task?.prompt ?? occasion.prompt ?? "").includes(rule.prompt)) return false;
  if (rule.status !== undefined && rule.status !== occasion.status) return false;
  if (rule.do === "not_ready") {
    if (occasion.status !== "completed" || !task) return false;
    if (rule.with.ms !== undefined && occasion.nowMs >= task.endsAt + rule.with.ms) return false;
  }
  return true;
}
