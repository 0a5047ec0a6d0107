import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

type Reply = (string | number | null)[];

const textOf = (name: string): string => readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8");

/** Loads each script once and calls it by its hash; ioredis sends the text again where Redis forgot it. */
export function defineScripts(redis: Redis) {
  /** @param parts the files of functions that it uses, in order */
  const define = <Result>(name: string, numberOfKeys: number, parts: readonly string[] = []) => {
    redis.defineCommand(`reelq_${name}`, { numberOfKeys, lua: [...parts, name].map(textOf).join("\n") });
    const command = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<Result>>)[
      `reelq_${name}`
    ];
    if (!command) throw new Error(`The script ${name} could not be defined.`);
    return (keys: readonly string[], args: readonly (string | number)[]) => command.call(redis, ...keys, ...args);
  };
  return {
    accept: define<Reply>("accept", 7),
    advance: define<Reply>("advance", 19, ["now", "breaker", "leave"]),
    alarm: define<string>("alarm", 4),
    hold: define<number>("hold", 2),
    learn: define<number>("learn", 2),
    look: define<number>("look", 4, ["now"]),
    mend: define<number>("mend", 2),
  };
}
