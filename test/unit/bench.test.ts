import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Goal, Line } from "../bench/frame/bench.ts";
import { interleaved, median, medianOf, quantile } from "../bench/frame/rounds.ts";
import { isMet, markdownTable, ratioOf, terminalTable } from "../bench/frame/table.ts";

test(
  "a benchmark that nobody knows is answered with those that are known, and runs nothing",
  { timeout: 60_000 },
  () => {
    const program = fileURLToPath(new URL("../bench/bench.ts", import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, "nonsense", "lanes"], {
      encoding: "utf8",
    });
    expect(stderr).toMatch(/^No benchmark is called nonsense\. Known: /);
    for (const name of [
      "lives",
      "in-flight",
      "enqueue",
      "downloads",
      "polling",
      "start",
      "scale-out",
      "lanes",
      "events",
    ])
      expect(stderr).toContain(name);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  },
);

describe("a table", () => {
  const line = (reelq: number, figure?: number, goal?: Goal): Line => ({
    what: "videos",
    unit: "per s",
    reelq,
    ...(figure === undefined ? {} : { beside: { name: "another", figure } }),
    ...(goal ? { goal } : {}),
  });

  test("sets reelq's figure against the one beside it, where there is one", () => {
    expect(ratioOf(line(30, 20))).toBe(1.5);
    expect(ratioOf(line(30))).toBeUndefined();
  });

  test.for<[string, Line, boolean | undefined]>([
    ["a figure that is enough", line(5, undefined, { of: "figure", atLeast: 5 }), true],
    ["a figure that is not enough", line(4.9, undefined, { of: "figure", atLeast: 5 }), false],
    ["a figure that is not too much", line(5, undefined, { of: "figure", atMost: 5 }), true],
    ["a figure that is too much", line(5.1, undefined, { of: "figure", atMost: 5 }), false],
    ["a figure between two bounds", line(5, undefined, { of: "figure", atLeast: 4, atMost: 6 }), true],
    ["a ratio that is enough", line(9, 10, { of: "ratio", atLeast: 0.9 }), true],
    ["a ratio that is not enough", line(900, 10_000, { of: "ratio", atLeast: 0.9 }), false],
    ["a ratio of what stands alone", line(9, undefined, { of: "ratio", atLeast: 0.9 }), undefined],
    ["no goal", line(9, 10), undefined],
  ])("judges %s", ([, judged, met]) => {
    expect(isMet(judged)).toBe(met);
  });

  test("says the figure, what is beside it, the ratio and whether the goal is met", () => {
    const lines = [
      line(1_234_567, 1_000_000, { of: "ratio", atLeast: 1.2 }),
      line(1_500, undefined, { of: "figure", atMost: 1_000 }),
      line(7),
    ];
    expect(terminalTable(lines)).toEqual([
      "what    reelq            beside it          ratio  goal",
      "videos  1,234,567 per s  1,000,000 another  1.23   ratio at least 1.2: met",
      "videos  1,500 per s                                at most 1,000: missed",
      "videos  7 per s",
    ]);
    expect(markdownTable(lines.slice(0, 2))).toEqual([
      "| what | reelq | beside it | ratio | goal |",
      "| --- | ---: | ---: | ---: | ---: |",
      "| videos | 1,234,567 per s | 1,000,000 another | 1.23 | ratio at least 1.2: met |",
      "| videos | 1,500 per s |  |  | at most 1,000: missed |",
    ]);
  });

  test.for([
    [0, "0"],
    [0.123_45, "0.123"],
    [1.234_5, "1.23"],
    [12.345, "12.3"],
    [123.45, "123"],
    [1_234.5, "1,235"],
    [-12.345, "-12.3"],
  ] as const)("says %d as %s", ([figure, said]) => {
    expect(markdownTable([line(figure)])[2]).toContain(`| ${said} per s |`);
  });
});

describe("rounds", () => {
  /** Sides that tell when they run, and return how often they have. */
  function sides() {
    const ran: string[] = [];
    const side = (name: string) => {
      let times = 0;
      return async () => {
        ran.push(name);
        return (times += 1);
      };
    };
    return { ran, both: { one: side("one"), other: side("other") } };
  }

  test("change who begins, and the first one is thrown away", async () => {
    const { ran, both } = sides();
    expect(await interleaved(3, both)).toEqual({ one: [2, 3, 4], other: [2, 3, 4] });
    expect(ran).toEqual(["other", "one", "one", "other", "other", "one", "one", "other"]);
  });

  test("keep all where no warm-up is wanted, and throw more away where more is", async () => {
    expect(await interleaved(2, sides().both, 0)).toEqual({ one: [1, 2], other: [1, 2] });
    expect(await interleaved(1, sides().both, 3)).toEqual({ one: [4], other: [4] });
  });

  test("run one side after the other, never two at once", async () => {
    let running = 0;
    const side = async () => {
      running += 1;
      await new Promise((resolve) => setImmediate(resolve));
      expect(running).toBe(1);
      running -= 1;
    };
    await interleaved(2, { one: side, other: side });
  });

  test("have a median, of an odd number and of an even one", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 1, 2, 4])).toBe(3);
    expect(median([7])).toBe(7);
    expect(medianOf([{ ms: 100 }, { ms: 20 }, { ms: 30 }], ({ ms }) => ms)).toBe(30);
  });

  test("have quantiles, but not of nothing", () => {
    const values = Array.from({ length: 100 }, (_, at) => 100 - at);
    expect([0, 0.95, 1].map((share) => quantile(values, share))).toEqual([1, 96, 100]);
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });
});
