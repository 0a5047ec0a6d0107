import { Redis } from "ioredis";

/**
 * Opens a connection. `patient` ones wait for Redis to come back, as workers must; the others fail a call
 * within about a second, so that a producer can be told instead of left hanging.
 */
export function connect(url: string, patient: boolean, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: patient ? null : 1,
    enableAutoPipelining: true,
    connectTimeout: patient ? 10_000 : 1_000,
    ...(patient ? {} : { commandTimeout: 5_000 }),
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 2_000),
    // A failover leaves this end on a replica: reconnect, and send the refused command again.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  redis.on("error", onError);
  return redis;
}
