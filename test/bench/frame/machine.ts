import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { redisServerProgram } from "../../support/redis.ts";

/** Where figures were taken: a ratio may travel, a figure does not. */
export function thisMachine(): string {
  const [processor] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return [
    `${cpus().length} x ${processor?.model.trim() ?? "unknown processor"}`,
    `${memory} GiB`,
    `${process.platform} ${release().split("-")[0]}`,
    `Node ${process.versions.node}`,
    redisVersion(),
  ].join(", ");
}

function redisVersion(): string {
  if (redisServerProgram === undefined) return "no Redis";
  const said = execFileSync(redisServerProgram, ["--version"], { encoding: "utf8" });
  return `Redis ${/v=(\S+)/.exec(said)?.[1] ?? "of an unknown version"}`;
}
