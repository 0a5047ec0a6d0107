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
    // Calls that wait for one another would wait out an outage together.
    enableAutoPipelining: patient,
    connectTimeout: patient ? 10_000 : 1_000,
    // Whoever vanished without a word is known by silence alone. Longer than any blocking call.
    socketTimeout: patient ? 30_000 : Math.max(5_000, answerWithinMs),
    ...(patient ? {} : { commandTimeout: answerWithinMs }),
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), patient ? 2_000 : 500),
    // A failover leaves this end on a replica: reconnect, and send the refused command again.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  redis.on("error", onError);
  return redis;
}
