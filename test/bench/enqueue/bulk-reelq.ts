import { type DirectRequest, openProducer } from "@reelq/engine";
import { asChild } from "../frame/child.ts";
import { instantFleet } from "../frame/instant.ts";
import { type Bulk, type BulkInput, fieldsOf } from "./enqueue.ts";

asChild(async ({ redisUrl, count }: BulkInput): Promise<Bulk> => {
  const producer = await openProducer({ redisUrl, config: instantFleet });
  const requests = (from: number): DirectRequest[] =>
    Array.from({ length: count }, (_, number) => fieldsOf(from + number));
  const [first, second] = [requests(0), requests(count)];
  await producer.createMany(first);
  const startedAt = performance.now();
  const accepted = await producer.createMany(second);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (accepted.length !== count) throw new Error(`${accepted.length} of ${count} were accepted.`);
  await producer.close();
  return { seconds };
});
