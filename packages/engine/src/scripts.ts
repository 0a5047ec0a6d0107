import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

type Reply = (string | number | null)[];

/** Loads each script once and calls it by its hash; ioredis sends the text again where Redis forgot it. */
export function defineScripts(redis: Redis) {
  const define = <Result>(name: string, numberOfKeys: number) => {
    redis.defineCommand(`reelq_${name}`, {
      numberOfKeys,
      lua: readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8"),
    });
    const command = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<Result>>)[
      `reelq_${name}`
    ];
    if (!command) throw new Error(`The script ${name} could not be defined.`);
    return (keys: readonly string[], args: readonly (string | number)[]) => command.call(redis, ...keys, ...args);
  };
  return {
    accept: define<Reply>("accept", 6),
    advance: define<Reply>("advance", 12),
    alarm: define<string>("alarm", 4),
    hold: define<number>("hold", 2),
    look: define<number>("look", 2),
    mend: define<number>("mend", 2),
  };
}
