import { isIPv4 } from "node:net";
import { isIn, parseAddress, type Range } from "./address.ts";

/** An `allow` that cannot be read; `problems` holds a sentence for each mistake. */
export class AllowError extends Error {
  readonly code = "invalid_allow";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join(" "));
    this.name = "AllowError";
    this.problems = problems;
  }
}

/** The addresses that may be reached though they are not public. */
export interface Allow {
  readonly isEmpty: boolean;
  has(address: string): boolean;
}

/** @throws AllowError with every entry that is neither an address nor a CIDR */
export function readAllow(entries: readonly string[]): Allow {
  const ranges = entries.map(readRange);
  const wrong = entries.filter((_, index) => ranges[index] === undefined);
  if (wrong.length > 0) {
    throw new AllowError(
      wrong.map((entry) => `"${entry}" is not an address or a range of them, like 127.0.0.1, 10.0.0.0/8 or ::1.`),
    );
  }
  return {
    isEmpty: ranges.length === 0,
    has(address) {
      const parsed = parseAddress(address);
      return parsed !== undefined && ranges.some((range) => range !== undefined && isIn(parsed, range));
    },
  };
}

function readRange(entry: string): Range | undefined {
  const [, text = "", digits] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(entry.trim()) ?? [];
  const address = parseAddress(text);
  if (!address) return undefined;
  const written = isIPv4(text) ? 32 : 128;
  const bits = address.kind() === "ipv4" ? 32 : 128;
  // Of an IPv4 address that is written as IPv6, the first 96 bits are the prefix of that way to write it.
  const prefix = (digits === undefined ? written : Number(digits)) - (written - bits);
  return prefix >= 0 && prefix <= bits ? [address, prefix] : undefined;
}
