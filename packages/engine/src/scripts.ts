import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

type Reply = (string | number | null)[];

const textOf = (name: string): string => readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8");

/** Loads each script once and calls it by its hash; ioredis sends the text again where Redis forgot it. */
export function defineScripts(redis: Redis) {
  /** @param parts the files of functions that it uses, in order */
  const define = <Result>(name: string, parts: readonly string[] = []) => {
    redis.defineCommand(`reelq_${name}`, { lua: [...parts, name].map(textOf).join("\n") });
    const command = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<Result>>)[
      `reelq_${name}`
    ];
    if (!command) throw new Error(`The script ${name} could not be defined.`);
    return (keys: readonly string[], args: readonly (string | number)[]) =>
      command.call(redis, keys.length, ...keys, ...args);
  };
  return {
    accept: define<Reply>("accept", ["memory"]),
    enlist: define<number>("enlist"),
    part: define<number>("part"),
    replace: define<number>("replace"),
    order: define<number>("order"),
    turn: define<number>("turn"),
    waive: define<number>("waive"),
    advance: define<Reply>("advance", ["now", "breaker", "places", "leave", "money", "batch"]),
    stay: define<Reply>("stay", ["now", "breaker"]),
    alarm: define<string>("alarm"),
    amend: define<number>("amend", ["target"]),
    claim: define<string[]>("claim", ["target"]),
    dispatch: define<number>("dispatch", ["target"]),
    enrol: define<number>("enrol", ["target"]),
    fold: define<number>("fold"),
    hold: define<number>("hold"),
    learn: define<number>("learn"),
    lend: define<number>("lend"),
    look: define<number>("look", ["now"]),
    mend: define<number>("mend"),
    redeliver: define<string>("redeliver", ["target"]),
    remove: define<Reply>("remove"),
    renew: define<number>("renew", ["target"]),
    rotate: define<number>("rotate"),
    settle: define<Reply>("settle", ["target"]),
    standing: define<number[]>("standing"),
  };
}
