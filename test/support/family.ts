import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

interface Member {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** The processes below a process, with their commands. */
export function descendantsOf(pid: number): readonly Member[] {
  const all = everyProcess();
  const below = (parent: number): Member[] => {
    const children = all.filter((one) => one.parent === parent);
    return children.concat(children.flatMap((child) => below(child.pid)));
  };
  return below(pid);
}

/** Whether a process of this id lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function everyProcess(): Member[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => readMember(Number(name)));
  } catch {
    // Not Linux.
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,command="], { encoding: "utf8" }).split("\n");
    return lines.flatMap((line) => {
      const [, pid, parent, command = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
    });
  }
}

function readMember(pid: number): Member[] {
  try {
    // The name in parentheses may hold anything, so the fields are counted from its end.
    const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return state === "Z" ? [] : [{ pid, parent: Number(parent), command }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}
