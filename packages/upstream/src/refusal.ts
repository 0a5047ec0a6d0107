import type { Fault } from "./error-body.ts";

/** What an error's own words prove: each of them means that nothing was created. */
export type Refusal = "moderated" | "account" | "throttled";

/** Codes of a cap on the tasks that run at once. */
const crowding: readonly string[] = [
  "too_many_running_tasks",
  "too_many_concurrent_tasks",
  "too_many_concurrent_requests",
  "concurrency_limit_exceeded",
  "concurrent_limit_exceeded",
  "concurrency_limit_reached",
  "max_concurrency_exceeded",
];

const codesOf: Readonly<Record<Refusal, readonly string[]>> = {
  moderated: [
    "moderation_blocked",
    "sentinel_block",
    "content_policy_violation",
    "content_policy",
    "content_filter",
    "contentfilter",
    "responsibleaipolicyviolation",
  ],
  account: [
    "insufficient_quota",
    "insufficient_user_quota",
    "insufficient_balance",
    "insufficient_credits",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
    "invalid_api_key",
  ],
  throttled: [
    ...crowding,
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "too_many_requests",
    "slow_down",
    "overloaded",
    "overloaded_error",
    "server_overloaded",
    "engine_overloaded",
  ],
};

/** Sentences of such a cap: "Too many running tasks", "maximum number of concurrent jobs", "concurrency limit". */
const crowd =
  /too many (running|concurrent|active|parallel|simultaneous|pending|in[- ]progress) |max(imum)?( number of)? (running|concurrent|active|parallel|simultaneous|pending|in[- ]progress) |max(imum)? concurrency|concurren(cy|t)\b[^.]{0,40}\blimit|\blimit\b[^.]{0,40}\bconcurren(cy|t)/i;
const rate = /rate limit (reached|exceeded)|too many requests/i;

const phrasesOf: Readonly<Record<Refusal, RegExp>> = {
  moderated:
    /moderation[ _]blocked|sentinel[ _]block|content[ _]polic(y|ies)|blocked by (our |the )?(moderation|safety)/i,
  account: /insufficient[ _](user[ _])?(quota|balance|credits?|funds)|check your plan and billing|billing hard limit/i,
  throttled: new RegExp(`${crowd.source}|${rate.source}`, "i"),
};

const refusals: readonly Refusal[] = ["moderated", "account", "throttled"];

/** By the codes alone: the only proof that counts against a gateway's 5xx, whose sentences may quote anything. */
export const refusalByCode = (fault: Fault): Refusal | undefined =>
  refusals.find((refusal) => fault.codes.some((code) => codesOf[refusal].includes(code)));

/** Whether a throttle is of the tasks that run at once, not of a rate: it passes when one of them ends. */
export const isCrowding = (fault: Fault): boolean =>
  fault.codes.some((code) => crowding.includes(code)) || crowd.test(fault.message ?? "");

/** By code, else by what the sentence says. */
export const refusalBySaying = (fault: Fault): Refusal | undefined =>
  refusalByCode(fault) ?? refusals.find((refusal) => phrasesOf[refusal].test(fault.message ?? ""));
