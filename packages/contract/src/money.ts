import { z } from "zod";
import type { Model } from "./catalogue.ts";

/** Millionths of a US dollar: whole numbers, so that sums are exact. */
export type MicroUsd = number;

export const microsPerUsd = 1_000_000;

/** What no budget is above: beyond it, sums would no longer be exact. */
export const mostMicroUsd = 1_000_000_000 * microsPerUsd;

export const microUsdSchema = z.int().nonnegative().describe("Millionths of a US dollar.");

/** Reads an amount as people write it: `12`, `12.5`, `$12.50`. Undefined: it is none, or finer than a millionth. */
export function readUsd(given: unknown): MicroUsd | undefined {
  const text = typeof given === "number" ? plain(given) : typeof given === "string" ? given.trim() : "";
  const [, whole, fraction = ""] = /^\$?\s?(\d{1,10})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const micros = Number(whole) * microsPerUsd + Number(fraction.padEnd(6, "0"));
  return micros <= mostMicroUsd ? micros : undefined;
}

/** Without an exponent, and without what binary fractions add to it. */
const plain = (amount: number): string => String(Number(amount.toFixed(6)));

/** `$12.50`; as many digits as it takes to be exact, at least two. */
export function sayUsd(micros: MicroUsd): string {
  const [whole, fraction] = [Math.floor(Math.abs(micros) / microsPerUsd), Math.abs(micros) % microsPerUsd];
  const digits = String(fraction)
    .padStart(6, "0")
    .replace(/0{1,4}$/, "");
  return `${micros < 0 ? "-" : ""}$${whole}.${digits}`;
}

/** What one clip is expected to cost; undefined where nobody said what the model costs. */
export function priceOf(price: Model["price"], seconds: number): MicroUsd | undefined {
  if (!price) return undefined;
  return Math.round(("perClipUsd" in price ? price.perClipUsd : price.perSecondUsd * seconds) * microsPerUsd);
}

/** Where money for attempts is: set aside for a POST, spent for certain, or spent as far as anybody knows. */
export const moneyAccounts = ["reserved", "charged", "unknown"] as const;
export type MoneyAccount = (typeof moneyAccounts)[number];
export type Money = Readonly<Record<MoneyAccount, MicroUsd>>;

export const noMoney: Money = { reserved: 0, charged: 0, unknown: 0 };

/** All that counts against a cap. */
export const spentOf = ({ reserved, charged, unknown }: Money): MicroUsd => reserved + charged + unknown;
