import { judgeIdempotencyKey } from "@reelq/contract";
import type { Repeatable } from "@reelq/engine";
import type { Request } from "express";

/** How a call that makes something may be known again. */
export function readRepeatable(request: Request): Repeatable {
  const key = request.headers["idempotency-key"];
  if (key === undefined) {
    // The official SDKs repeat a create by themselves and send no key; they say how often they have tried before.
    const tries = request.get("x-stainless-retry-count");
    return tries === undefined || !/^\d{1,4}$/.test(tries) ? {} : { isRepeat: Number(tries) > 0 };
  }
  judgeIdempotencyKey(key);
  return { idempotencyKey: key };
}
