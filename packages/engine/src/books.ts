import { type Money, moneyAccounts, type Video } from "@reelq/contract";
import type { Finding } from "./finding.ts";
import type { Engine } from "./engine.ts";
import { positionsOf, readMoney, scopes, scopesOf } from "./money.ts";

/** Proves the money: the journal's postings, the balances and the attempts of all records say the same. */
export interface Books {
  /** Takes note of what a record says. */
  enter(video: Video): void;
  /** Compares, once every record was entered. */
  close(): Promise<Finding[]>;
  sums(): Promise<Money & { readonly isProven: boolean }>;
}

type Sums = Map<string, number>;

const add = (sums: Sums, name: string, micros: number): void => void sums.set(name, (sums.get(name) ?? 0) + micros);

const fromHash = (fields: Readonly<Record<string, string>>): Sums =>
  new Map(Object.entries(fields).map(([name, micros]) => [name, Number(micros)]));

export async function openBooks(engine: Engine): Promise<Books> {
  const { redis, keys } = engine;
  const records: Sums = new Map();
  const lastPosting = async (): Promise<string | undefined> =>
    (await redis.xrevrange(keys.moneyJournal, "+", "-", "COUNT", 1))[0]?.[0];
  const before = await lastPosting();
  let isProven = false;

  return {
    enter(video) {
      for (const { scope, account, micros } of positionsOf(video)) add(records, `${scope} ${account}`, micros);
    },

    async close() {
      const { balances, journal, gone } = await readAll(engine);
      const findings = differences(journal, balances, "its postings", "its balance");
      // A record that moved after it was read says something else than the balances do by now.
      if ((await lastPosting()) === before) {
        for (const [name, micros] of gone) add(records, name, micros);
        findings.push(...differences(records, balances, "the attempts of all records", "its balance"));
        isProven = findings.length === 0;
      }
      findings.push(
        ...[...balances].flatMap(([name, micros]) =>
          micros < 0
            ? [{ about: name, message: `its balance is below zero: ${micros} micro-USD.`, repaired: false }]
            : [],
        ),
      );
      return findings;
    },

    sums: async () => ({ ...readMoney(await redis.hgetall(keys.money(scopes.all))), isProven }),
  };
}

/** All at the same moment, but for the scopes' names. */
async function readAll({ redis, keys }: Engine): Promise<{ balances: Sums; journal: Sums; gone: Sums }> {
  const names = (await redis.smembers(keys.moneyScopes)).sort();
  const reading = redis.multi().xrange(keys.moneyJournal, "-", "+").hgetall(keys.moneyOpening).hgetall(keys.moneyGone);
  for (const name of names) reading.hgetall(keys.money(name));
  const [entries, opening, gone, ...hashes] = ((await reading.exec()) ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  }) as [[string, string[]][], Record<string, string>, Record<string, string>, ...Record<string, string>[]];
  const balances: Sums = new Map();
  for (const [index, name] of names.entries())
    for (const [account, micros] of Object.entries(readMoney(hashes[index] ?? {})))
      add(balances, `${name} ${account}`, micros);
  const journal = fromHash(opening);
  for (const [, fields] of entries) post(fields, journal);
  return { balances, journal, gone: fromHash(gone) };
}

/** A posting, as `scripts/money.lua` writes it. */
function post(fields: readonly string[], sums: Sums): void {
  const read = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) read.set(fields[at] ?? "", fields[at + 1] ?? "");
  const text = (name: string): string => read.get(name) ?? "";
  const batch = text("batch");
  for (const scope of scopesOf(text("project"), text("upstream"), text("day"), batch === "" ? undefined : batch)) {
    for (const account of moneyAccounts) {
      if (text("from") === account) add(sums, `${scope} ${account}`, -Number(text("micros")));
      if (text("to") === account) add(sums, `${scope} ${account}`, Number(text("micros")));
    }
  }
}

function differences(one: Sums, other: Sums, oneName: string, otherName: string): Finding[] {
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((name) => {
    const [here, there] = [one.get(name) ?? 0, other.get(name) ?? 0];
    if (here === there) return [];
    return [{ about: name, message: `${oneName} say ${here} micro-USD, ${otherName} says ${there}.`, repaired: false }];
  });
}
