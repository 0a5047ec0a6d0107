import type { Fault } from "./error-body.ts";

/** What an error's own words prove: each of them means that nothing was created. */
export type Refusal = "moderated" | "account" | "throttled";

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
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "too_many_requests",
    "too_many_running_tasks",
    "concurrency_limit_exceeded",
    "slow_down",
    "overloaded",
    "overloaded_error",
    "server_overloaded",
    "engine_overloaded",
  ],
};

const phrasesOf: Readonly<Record<Refusal, RegExp>> = {
  moderated:
    /moderation[ _]blocked|sentinel[ _]block|content[ _]polic(y|ies)|blocked by (our |the )?(moderation|safety)/i,
  account: /insufficient[ _](user[ _])?(quota|balance|credits?|funds)|check your plan and billing|billing hard limit/i,
  throttled: /too many (running|concurrent|active|parallel|pending) |rate limit (reached|exceeded)|too many requests/i,
};

const refusals: readonly Refusal[] = ["moderated", "account", "throttled"];

/** By the codes alone: the only proof that counts against a gateway's 5xx, whose sentences may quote anything. */
export const refusalByCode = (fault: Fault): Refusal | undefined =>
  refusals.find((refusal) => fault.codes.some((code) => codesOf[refusal].includes(code)));

/** By code, else by what the sentence says. */
export const refusalBySaying = (fault: Fault): Refusal | undefined =>
  refusalByCode(fault) ?? refusals.find((refusal) => phrasesOf[refusal].test(fault.message ?? ""));
