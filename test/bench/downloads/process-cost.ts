import { readFile } from "node:fs/promises";

/** Clock ticks in a second, in which Linux counts a process's CPU time. */
const ticksPerSecond = 100;

/** What a process has taken since it began; Linux tells it of any. */
export async function costOf(pid: number): Promise<{ readonly cpuSeconds: number; readonly peakBytes: number }> {
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readFile(`/proc/${pid}/stat`, "utf8"),
  ]);
  const peakKiB = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]);
  // The fields after the program's name, which may hold spaces: user and system time are the 12th and the 13th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, peakBytes: peakKiB * 1024 };
}
