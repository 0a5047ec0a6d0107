import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { asChild } from "../frame/child.ts";
import { type Bulk, type BulkInput, fieldsOf } from "./enqueue.ts";

asChild(async ({ redisUrl, count }: BulkInput): Promise<Bulk> => {
  const queue = new Queue("submit", { connection: new Redis(redisUrl, { maxRetriesPerRequest: null }) });
  const opts = { removeOnComplete: { count: 500 }, attempts: 5 };
  const jobs = (from: number) =>
    Array.from({ length: count }, (_, number) => ({ name: "video", data: fieldsOf(from + number), opts }));
  const [first, second] = [jobs(0), jobs(count)];
  await queue.addBulk(first);
  const startedAt = performance.now();
  await queue.addBulk(second);
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds };
});
