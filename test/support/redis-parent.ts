// A process that starts a Redis and waits for its own end; started by test/redis/service-redis-server.test.ts.
import { startRedisServer } from "@reelq/service";

const [dir = "", binary = ""] = process.argv.slice(2);
const server = await startRedisServer({ dir, binary });
process.stdout.write(`${server.port}\n`);
