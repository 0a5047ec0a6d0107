import { readAllow } from "./allow.ts";
import { connectByTcp } from "./connect.ts";
import type { Ways } from "./exchange.ts";
import { get } from "./get.ts";
import { post } from "./post.ts";
import { resolveByDns } from "./targets.ts";
import type { Web, WebOptions } from "./web.ts";

/** @throws AllowError where `allow` cannot be read */
export function openWeb(options: WebOptions = {}): Web {
  const ways: Ways = {
    allow: readAllow(options.allow ?? []),
    resolve: options.resolve ?? resolveByDns,
    connect: options.connect ?? connectByTcp,
    ca: options.ca,
    now: options.now ?? Date.now,
  };
  return {
    get: (url, options) => get(ways, url, options),
    post: (url, options) => post(ways, url, options),
  };
}
