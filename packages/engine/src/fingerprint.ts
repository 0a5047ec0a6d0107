import { hash as hashOf } from "node:crypto";
import type { VideoRequest } from "@reelq/contract";

/** What a producer asked for, field by field, as it was asked: an image by where it is, not by what was found there. */
export interface Asked extends Pick<VideoRequest, "prompt" | "model" | "seconds" | "size"> {
  readonly input_reference?: string | undefined;
  readonly remix_of?: string | undefined;
  readonly webhook_url?: string | undefined;
}

/** `name=hash,name=hash`, without spaces: the same whatever order the fields came in. */
export const fingerprintOf = (asked: Asked): string =>
  Object.entries(asked)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${hash(JSON.stringify(value))}`)
    .sort()
    .join(",");

/** The names of the fields in which two requests differ. */
export function differingFields(one: string, other: string): string[] {
  const [first, second] = [fieldsOf(one), fieldsOf(other)];
  const names = new Set([...first.keys(), ...second.keys()]);
  return [...names].filter((name) => first.get(name) !== second.get(name));
}

const fieldsOf = (fingerprint: string): Map<string, string> =>
  new Map(
    fingerprint.split(",").map((part) => {
      const gap = part.indexOf("=");
      return [part.slice(0, gap), part.slice(gap + 1)];
    }),
  );

const hash = (text: string): string => hashOf("sha256", text, "base64url").slice(0, 16);
