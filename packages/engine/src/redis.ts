import type { Writable } from "node:stream";
import { Redis } from "ioredis";

export interface ConnectOptions {
  readonly patient: boolean;
  /** How long a call of one that is not patient may take. */
  readonly answerWithinMs?: number | undefined;
}

/**
 * Opens a connection. `patient` ones wait for Redis to come back, as workers must; the others fail a call
 * within about a second, so that a producer can be told instead of left hanging.
 */
export function connect(
  url: string,
  { patient, answerWithinMs = 2_000 }: ConnectOptions,
  onError: (error: Error) => void,
): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: patient ? null : 1,
    connectTimeout: patient ? 10_000 : 1_000,
    // Whoever vanished without a word is known by silence alone. Longer than any blocking call.
    socketTimeout: patient ? 30_000 : Math.max(5_000, answerWithinMs),
    ...(patient ? {} : { commandTimeout: answerWithinMs }),
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), patient ? 2_000 : 500),
    // A failover leaves this end on a replica: reconnect, and send the refused command again.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  redis.on("error", onError);
  redis.on("connect", () => writeTogether(redis.stream));
  return redis;
}

/** Texts are joined up to about so many characters: one text cannot be as long as all that may be sent in a turn. */
const longestText = 1_000_000;

/**
 * What is sent in one turn of the event loop goes out in one write. ioredis's own automatic pipelines do so too, but
 * send nothing more until the last one is answered whole: this process and Redis would take turns instead of working
 * side by side.
 */
function writeTogether(stream: Writable): void {
  const write = stream.write.bind(stream) as (chunk: string | Buffer) => boolean;
  const end = stream.end.bind(stream) as (...rest: unknown[]) => Writable;
  let held: (string | Buffer)[] = [];
  const flush = (): void => {
    const chunks = held;
    held = [];
    if (stream.destroyed) return;
    stream.cork();
    for (const chunk of chunks) write(chunk);
    stream.uncork();
  };
  stream.write = (chunk: string | Buffer): boolean => {
    const last = held.at(-1);
    if (last === undefined) setImmediate(flush);
    if (typeof chunk === "string" && typeof last === "string" && last.length < longestText)
      held[held.length - 1] = last + chunk;
    else held.push(chunk);
    return true;
  };
  stream.end = (...rest: unknown[]): Writable => {
    flush();
    return end(...rest);
  };
}
