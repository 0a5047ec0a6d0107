import type { Engine } from "../engine.ts";
import { newSecret, type Signing, signingOf } from "./signature.ts";

/** What signs the webhooks of addresses that an API key names with single videos; made when it is first asked for. */
export async function signingOfKey(apiKey: string, { redis, keys }: Engine): Promise<Signing> {
  const key = keys.webhookSigning(apiKey);
  await redis.hsetnx(key, "secret", newSecret());
  const signing = signingOf(await redis.hgetall(key));
  if (!signing) throw new Error(`${key} holds no secret.`);
  return signing;
}
