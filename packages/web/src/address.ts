import { isIP, isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";

export type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Range = readonly [address: Address, prefix: number];

const range = (text: string): Range => ipaddr.parseCIDR(text);

/** The only part of IPv6 that is given out for the public internet; `::/96`, `100:0:0:1::/64` and others are outside. */
const globalUnicast = range("2000::/3");

/** An IPv4 address at its end: public where that one is, for hosts whose only way to IPv4 is a translator. */
const nat64 = range("64:ff9b::/96");

/** Azure answers every one of its machines there, with their secrets, at an address that looks like anybody's. */
const cloudInside = range("168.63.129.16/32");

/**
 * Whether anybody on the internet could reach this address, in any of its spellings that is an IPv4 or IPv6 address;
 * false for everything else. Of IANA's special-purpose blocks all are refused, also those that carry an IPv4 address
 * (6to4, Teredo, `64:ff9b:1::/48`); but `::ffff:0:0/96` and `64:ff9b::/96` are what the IPv4 address in them is.
 */
export function isPublic(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && isPublicAddress(parsed);
}

function isPublicAddress(address: Address): boolean {
  if (isIn(address, nat64)) return isPublicAddress(ipaddr.fromByteArray(address.toByteArray().slice(12)));
  if (address.range() !== "unicast" || isIn(address, cloudInside)) return false;
  return address.kind() === "ipv4" || isIn(address, globalUnicast);
}

/** An address without a zone; one of IPv4 in IPv6 (`::ffff:1.2.3.4`) as the IPv4 address that it is. */
export function parseAddress(text: string): Address | undefined {
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  // ipaddr.js takes ::1.2.3.4 for ::ffff:1.2.3.4, which is another address; in hexadecimal it cannot.
  const hexadecimal = URL.parse(`http://[${text}]`)?.hostname.slice(1, -1);
  return hexadecimal === undefined ? undefined : ipaddr.process(hexadecimal);
}

/** Whether an address is within a range of the same kind. */
export const isIn = (address: Address, [start, prefix]: Range): boolean =>
  address.kind() === start.kind() && address.match(start, prefix);

/** Whether two spellings are of one address. */
export function isSameAddress(one: string, other: string): boolean {
  const [first, second] = [parseAddress(one), parseAddress(other)];
  return first !== undefined && second !== undefined && first.toNormalizedString() === second.toNormalizedString();
}
