import {
  type Attempt,
  lastAttempt,
  type MicroUsd,
  type Money,
  type MoneyAccount,
  moneyAccounts,
  type Status,
  type Video,
} from "@reelq/contract";
import type { Fleet } from "./fleet.ts";

/** Where an attempt's money is: in one account, or in none, because it was never taken or was given back. */
export type Place = MoneyAccount | "none";

/** An amount that goes from one account to another, in every scope that it counts for. */
export interface Posting {
  readonly attempt: number;
  readonly upstream: string;
  readonly day: string;
  readonly from: Place;
  readonly to: Place;
  readonly micros: MicroUsd;
  readonly scopes: readonly string[];
}

/** What may be spent in a scope. */
export interface Cap {
  readonly scope: string;
  /** For people: `the project studio's budget of today`. */
  readonly name: string;
  readonly micros: MicroUsd;
}

/** All of one account's money of one kind: a batch's, a project's, an upstream's, everything; ever, or of a day. */
export const scopes = {
  batch: (id: string) => `batch ${id}`,
  project: (project: string) => `project ${project}`,
  projectDay: (project: string, day: string) => `project ${project} ${day}`,
  upstream: (upstream: string) => `upstream ${upstream}`,
  upstreamDay: (upstream: string, day: string) => `upstream ${upstream} ${day}`,
  all: "all",
  allDay: (day: string) => `all ${day}`,
};

/** The scopes that an attempt's money counts for. */
export const scopesOf = (project: string, upstream: string, day: string, batch: string | undefined): string[] => [
  ...(batch === undefined ? [] : [scopes.batch(batch)]),
  scopes.project(project),
  scopes.projectDay(project, day),
  scopes.upstream(upstream),
  scopes.upstreamDay(upstream, day),
  scopes.all,
  scopes.allDay(day),
];

const undecided = new Set<Status>(["submitting", "in_doubt", "rendering", "downloading"]);

/** Where an attempt's money is, by the record alone. */
function placeOf(attempt: Attempt, video: Video): Place {
  if (attempt.estimate === undefined || attempt.estimate === 0) return "none";
  if (undecided.has(video.status) && attempt === lastAttempt(video)) return "reserved";
  return attempt.charged === "yes" ? "charged" : attempt.charged === "no" ? "none" : "unknown";
}

/** What a move does with money: the difference between two records of a video. */
export function postingsBetween(before: Video, after: Video): Posting[] {
  const numbers = new Set([...before.attempts, ...after.attempts].map(({ number }) => number));
  return [...numbers].flatMap((number) => {
    const [was, is] = [before, after].map((video) => video.attempts.find((attempt) => attempt.number === number));
    const attempt = is ?? was;
    if (attempt?.estimate === undefined || attempt.day === undefined) return [];
    const from = was ? placeOf(was, before) : "none";
    const to = is ? placeOf(is, after) : "none";
    if (from === to) return [];
    const { upstream, day, estimate: micros } = attempt;
    return {
      attempt: number,
      upstream,
      day,
      from,
      to,
      micros,
      scopes: scopesOf(after.project, upstream, day, after.batch?.id),
    };
  });
}

/** What a video's attempts hold in each scope. */
export const positionsOf = (
  video: Video,
): readonly { readonly scope: string; readonly account: MoneyAccount; readonly micros: MicroUsd }[] =>
  video.attempts.flatMap((attempt) => {
    const account = placeOf(attempt, video);
    const { upstream, day, estimate } = attempt;
    if (account === "none" || day === undefined || estimate === undefined) return [];
    return scopesOf(video.project, upstream, day, video.batch?.id).map((scope) => ({
      scope,
      account,
      micros: estimate,
    }));
  });

/** What is in each account, of all attempts of a video. */
export function moneyOf(video: Video): Money {
  const money = { reserved: 0, charged: 0, unknown: 0 };
  for (const attempt of video.attempts) {
    const place = placeOf(attempt, video);
    if (place !== "none") money[place] += attempt.estimate ?? 0;
  }
  return money;
}

/** The caps on an attempt, a batch's own excepted. */
export function capsOn(
  project: string,
  upstream: string,
  day: string,
  { budgets }: Pick<Fleet, "budgets">,
): readonly Cap[] {
  const [all, own, there] = [budgets.all, budgets.of(project), budgets.at(upstream)];
  const caps: readonly [scope: string, name: string, micros: MicroUsd | undefined][] = [
    [scopes.project(project), `the budget of the project ${project}`, own.total],
    [scopes.projectDay(project, day), `today's budget of the project ${project}`, own.perDay],
    [scopes.upstream(upstream), `the budget of ${upstream}`, there.total],
    [scopes.upstreamDay(upstream, day), `today's budget of ${upstream}`, there.perDay],
    [scopes.all, "the budget of everything", all.total],
    [scopes.allDay(day), "today's budget of everything", all.perDay],
  ];
  return caps.flatMap(([scope, name, micros]) => (micros === undefined ? [] : { scope, name, micros }));
}

/** A balance as Redis keeps it. */
export const readMoney = (fields: Readonly<Record<string, string>>): Money =>
  Object.fromEntries(moneyAccounts.map((account) => [account, Number(fields[account] ?? 0)])) as Money;
