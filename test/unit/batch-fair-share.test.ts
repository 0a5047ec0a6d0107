import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  agingMs,
  type Contender,
  nextTurns,
  noShares,
  raised,
  type Shares,
} from "../../packages/engine/src/batches/fair-share.ts";

const aBatch = (batch: string, some: Partial<Contender> = {}): Contender => ({
  batch,
  project: "one",
  priority: 0,
  weight: 1,
  waitedMs: 0,
  ready: 5_000,
  ...some,
});

/** So many turns from the beginning, all in one call. */
const turnsOf = (contenders: readonly Contender[], count: number): readonly string[] =>
  nextTurns(contenders, noShares, count).turns;

/** The same, one call a turn, with the shares kept as JSON between them. */
function turnsOneByOne(contenders: readonly Contender[], count: number): readonly string[] {
  let shares: Shares = noShares;
  return Array.from({ length: count }, () => {
    const next = nextTurns(contenders, shares, 1);
    shares = JSON.parse(JSON.stringify(next.shares)) as Shares;
    return next.turns[0]!;
  });
}

/** By how much the turns of some were ever more or fewer than they should have been. */
function worst(turns: readonly string[], isTheirs: (batch: string) => boolean, share: number): number {
  let [had, most] = [0, 0];
  for (const [at, batch] of turns.entries()) {
    if (isTheirs(batch)) had += 1;
    most = Math.max(most, Math.abs(had - (at + 1) * share));
  }
  return most;
}

describe("batches of the same priority", () => {
  test("5,000 clips of one do not keep 5 of another waiting", () => {
    const turns = turnsOf([aBatch("many"), aBatch("few", { ready: 5 })], 20);
    expect(turns.slice(0, 10).filter((batch) => batch === "few")).toHaveLength(5);
    expect(turns.slice(10)).toEqual(Array.from({ length: 10 }, () => "many"));
  });

  test("nor where its clips have waited all night, and the others for no time", () => {
    const turns = turnsOf([aBatch("many", { waitedMs: 100 * agingMs }), aBatch("few", { ready: 5 })], 10);
    expect(turns.filter((batch) => batch === "few")).toHaveLength(5);
  });

  test("3 to 1 is 3 to 1, from the first turn on", () => {
    const turns = turnsOf([aBatch("three", { weight: 3 }), aBatch("one")], 400);
    expect(turns.slice(0, 8).join(" ")).toBe("three one three three three one three three");
    expect(worst(turns, (batch) => batch === "three", 3 / 4)).toBeLessThan(1);
  });

  test("projects share first, however many batches they have; then their batches", () => {
    const busy = ["a", "b", "c", "d"].map((batch) => aBatch(batch, { project: "busy" }));
    const turns = turnsOf([...busy, aBatch("alone", { project: "calm" })], 400);
    expect(worst(turns, (batch) => batch === "alone", 1 / 2)).toBeLessThan(1);
    for (const { batch } of busy) expect(turns.filter((one) => one === batch)).toHaveLength(50);
  });

  test("a project's weight counts, and not its batches' against another project's", () => {
    const [heavy, light] = [aBatch("heavy", { project: "h", projectWeight: 2 }), aBatch("light", { project: "l" })];
    const turns = turnsOf([heavy, { ...light, weight: 1_000 }], 300);
    expect(worst(turns, (batch) => batch === "heavy", 2 / 3)).toBeLessThan(1);
  });

  test("a newcomer has its share from then on: no burst, and no wait", () => {
    let { shares } = nextTurns([aBatch("old")], noShares, 1_000);
    const turns = nextTurns([aBatch("old"), aBatch("new")], shares, 20).turns;
    expect(worst(turns, (batch) => batch === "new", 1 / 2)).toBeLessThanOrEqual(1);
    ({ shares } = nextTurns([aBatch("old"), aBatch("other")], shares, 1_000));
    const third = nextTurns([aBatch("old"), aBatch("other"), aBatch("new")], shares, 30).turns;
    expect(worst(third, (batch) => batch === "new", 1 / 3)).toBeLessThanOrEqual(1);
  });

  test("who had nothing ready for long is owed no more than a turn", () => {
    const away = aBatch("away", { ready: 0 });
    const both = nextTurns([aBatch("here"), { ...away, ready: 9 }], noShares, 1).shares;
    const { shares } = nextTurns([aBatch("here"), away], both, 1_000);
    const { turns } = nextTurns([aBatch("here"), { ...away, ready: 9 }], shares, 8);
    expect(turns.filter((batch) => batch === "away").length).toBeLessThanOrEqual(5);
    expect(turns.slice(0, 3)).toContain("away");
  });

  test("who is ready now and then only keeps its share of those turns", () => {
    let shares: Shares = noShares;
    const turns: string[] = [];
    for (let call = 0; call < 400; call += 1) {
      const rare = aBatch("rare", { ready: call % 2 });
      const next = nextTurns([aBatch("steady", { weight: 9 }), rare], shares, 1);
      ({ shares } = next);
      turns.push(...next.turns);
    }
    expect(turns.filter((batch) => batch === "rare").length).toBeGreaterThanOrEqual(19);
    expect(turns.filter((batch) => batch === "rare").length).toBeLessThanOrEqual(41);
  });

  test("a weight that is changed counts at once", () => {
    const slow = aBatch("slow", { weight: 0.01 });
    const { shares } = nextTurns([slow, aBatch("usual")], noShares, 50);
    const turns = nextTurns([{ ...slow, weight: 1 }, aBatch("usual")], shares, 100).turns;
    expect(worst(turns, (batch) => batch === "slow", 1 / 2)).toBeLessThanOrEqual(2);
  });
});

describe("priority", () => {
  test("the higher goes first, as long as it has something", () => {
    const turns = turnsOf([aBatch("low"), aBatch("high", { priority: 1, ready: 3 })], 5);
    expect(turns).toEqual(["high", "high", "high", "low", "low"]);
  });

  test("waiting raises it by a step every ten minutes, to the highest that there is", () => {
    const waited = (ms: number) => raised(aBatch("a", { priority: 2, waitedMs: ms }), 5);
    expect([0, agingMs - 1, agingMs, 2.5 * agingMs, 100 * agingMs].map(waited)).toEqual([2, 2, 3, 4, 5]);
    expect(raised(aBatch("a", { priority: 9, waitedMs: agingMs }), 5)).toBe(9);
    expect(raised(aBatch("a", { waitedMs: -agingMs }), 5)).toBe(0);
  });

  test("so what waited long enough shares with what is higher, and no sooner", () => {
    const turnsAfter = (waitedMs: number) =>
      turnsOf([aBatch("high", { priority: 5 }), aBatch("low", { waitedMs })], 10).filter((batch) => batch === "low");
    expect(turnsAfter(5 * agingMs - 1)).toHaveLength(0);
    expect(turnsAfter(5 * agingMs)).toHaveLength(5);
    expect(turnsAfter(500 * agingMs)).toHaveLength(5);
  });

  test("what has nothing ready raises nobody's bar", () => {
    const turns = turnsOf([aBatch("high", { priority: 5, ready: 0 }), aBatch("low")], 2);
    expect(turns).toEqual(["low", "low"]);
  });
});

test("nothing ready, no turns", () => {
  expect(turnsOf([], 3)).toEqual([]);
  expect(turnsOf([aBatch("a", { ready: 0 })], 3)).toEqual([]);
  expect(turnsOf([aBatch("a", { ready: 2 })], 3)).toEqual(["a", "a"]);
  expect(turnsOf([aBatch("a")], 0)).toEqual([]);
});

test("who comes back at once still owes the turns that it had", () => {
  let shares: Shares = noShares;
  const turns: string[] = [];
  for (let call = 0; call < 400; call += 1) {
    // It has one clip at a time, the next one comes after it was sent and a call went by without it.
    const light = turns.at(-1) === "light" ? [] : [aBatch("light", { weight: 0.05, ready: 1 })];
    const next = nextTurns([aBatch("usual"), ...light], shares, 1);
    ({ shares } = next);
    turns.push(...next.turns);
  }
  expect(turns.filter((batch) => batch === "light").length).toBeGreaterThanOrEqual(18);
  expect(turns.filter((batch) => batch === "light").length).toBeLessThanOrEqual(21);
});

test("who is gone is forgotten once it owes nothing, after any number of batches and projects", () => {
  let shares: Shares = noShares;
  for (let at = 0; at < 2_000; at += 1) {
    const guest = { weight: 0.01 + (at % 9), project: at % 2 === 0 ? "b" : `project ${at}`, projectWeight: 0.5 };
    ({ shares } = nextTurns([aBatch(`batch ${at}`, guest), aBatch("b", { project: "b" })], shares, 3));
    const kept = Object.values(shares.batches).flatMap((share) => Object.keys(share));
    expect(Math.max(kept.length, Object.keys(shares.projects).length)).toBeLessThan(600);
  }
  ({ shares } = nextTurns([aBatch("b", { project: "b" })], shares, 3_000));
  expect(shares).toEqual({ projects: { b: expect.closeTo(0) }, batches: { b: { b: expect.closeTo(0) } } });
});

test("of those who are gone and owe, a few hundred are remembered, who owe the most", () => {
  let shares: Shares = noShares;
  for (let at = 0; at < 1_000; at += 1) {
    const pair = [aBatch("heavy", { weight: 1_000 }), aBatch(`light ${at}`, { weight: 0.01 })];
    ({ shares } = nextTurns(pair, shares, 4));
  }
  const kept = Object.keys(shares.batches["one"]!);
  expect(kept).toEqual(expect.arrayContaining(["light 999", "light 998", "light 900", "heavy"]));
  expect(kept.length).toBeLessThan(260);
});

test("weights may be of any size, and batches come and go: somebody's turn it always is", () => {
  const size = fc.integer({ min: 1, max: 30 }).map((weight) => weight / 3e13);
  const calls = fc.array(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { minLength: 200, maxLength: 200 });
  fc.assert(
    fc.property(fc.array(size, { minLength: 4, maxLength: 4 }), calls, (weights, calls) => {
      let shares: Shares = noShares;
      for (const here of calls) {
        const some = weights.flatMap((weight, at) => (here[at] ? [aBatch(`b${at}`, { weight })] : []));
        const next = nextTurns(some, shares, 1);
        ({ shares } = next);
        expect(next.turns).toHaveLength(Math.min(1, some.length));
      }
    }),
    { numRuns: 40 },
  );
});

test("names that objects have of their own are names like any", () => {
  const [odd, odder] = [
    aBatch("__proto__", { project: "constructor" }),
    aBatch("toString", { project: "__proto__", weight: 3 }),
  ];
  const turns = turnsOneByOne([odd, odder], 100);
  expect(turns.filter((batch) => batch === "__proto__")).toHaveLength(50);
});

test("a million turns later, the numbers are as small as at first", () => {
  const three = [aBatch("a", { weight: 0.01 }), aBatch("b", { weight: 1_000 }), aBatch("c", { weight: 1 / 3 })];
  const endless = three.map((one) => ({ ...one, ready: Number.POSITIVE_INFINITY }));
  let shares: Shares = noShares;
  for (let at = 0; at < 50; at += 1) ({ shares } = nextTurns(endless, shares, 2_000));
  for (const { batch, weight } of three)
    expect(Math.abs(shares.batches["one"]![batch]!)).toBeLessThanOrEqual(1 / weight);
});

describe("whoever contends", () => {
  const weights = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.double({ min: 0.01, max: 1_000, noNaN: true }));
  const crowd = (some: Partial<Record<keyof Contender, fc.Arbitrary<unknown>>> = {}) =>
    fc
      .array(
        fc.record({
          project: fc.constantFrom("p", "q", "r"),
          priority: fc.integer({ min: -3, max: 3 }),
          weight: weights,
          waitedMs: fc.nat({ max: 8 * agingMs }),
          ready: fc.nat({ max: 40 }),
          ...some,
        }),
        { minLength: 1, maxLength: 12 },
      )
      .map((all) => all.map((one, at) => ({ batch: `b${at}`, ...one }) as Contender));
  const equals = crowd({ priority: fc.constant(0), ready: fc.constant(10_000) });
  const total = (all: readonly Contender[]): number => all.reduce((sum, { weight }) => sum + weight, 0);

  test("each has its share of every beginning, to within a turn", () => {
    fc.assert(
      fc.property(equals, (all) => {
        const alone = all.map((one) => ({ ...one, project: "p" }));
        const turns = turnsOneByOne(alone, 150);
        for (const { batch, weight } of alone)
          expect(worst(turns, (one) => one === batch, weight / total(alone))).toBeLessThan(1 + 1e-6);
      }),
      { numRuns: 60 },
    );
  });

  test("so has each project, and each batch of its project's turns", () => {
    fc.assert(
      fc.property(equals, (all) => {
        const turns = turnsOneByOne(all, 150);
        const projects = [...new Set(all.map(({ project }) => project))];
        for (const project of projects) {
          const own = all.filter((one) => one.project === project);
          const isOwn = (batch: string): boolean => own.some((one) => one.batch === batch);
          expect(worst(turns, isOwn, 1 / projects.length)).toBeLessThan(1 + 1e-6);
          for (const { batch, weight } of own)
            expect(worst(turns.filter(isOwn), (one) => one === batch, weight / total(own))).toBeLessThan(1 + 1e-6);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("nobody starves: however they come and go, who stays ready has its turn in time", () => {
    const comings = fc.array(fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), {
      minLength: 100,
      maxLength: 100,
    });
    fc.assert(
      fc.property(comings, fc.array(weights, { minLength: 6, maxLength: 6 }), (calls, weights) => {
        const mine = aBatch("mine", { weight: 1 });
        let [shares, since, owed] = [noShares, 0, 0];
        for (const here of calls) {
          const others = here.map((ready, at) =>
            aBatch(`b${at}`, { weight: Math.min(weights[at]!, 5), ready: ready ? 3 : 0 }),
          );
          const next = nextTurns([mine, ...others], shares, 2);
          ({ shares } = next);
          const sum = 1 + others.reduce((sum, { weight, ready }) => sum + (ready > 0 ? weight : 0), 0);
          owed += next.turns.length / sum;
          since = next.turns.includes("mine") ? 0 : since + 1;
          if (next.turns.includes("mine")) owed = 0;
          expect(owed).toBeLessThan(4);
        }
        expect(since).toBeLessThan(100);
      }),
      { numRuns: 60 },
    );
  });

  test("who waits is raised until it goes, whatever is above it", () => {
    fc.assert(
      fc.property(crowd({ ready: fc.constant(10_000) }), (all) => {
        let [shares, elapsed] = [noShares, 0];
        const waiting = new Map(all.map(({ batch }) => [batch, 0]));
        for (let call = 0; call < 200; call += 1) {
          const now = all.map((one) => ({ ...one, waitedMs: elapsed - waiting.get(one.batch)!, weight: 1 }));
          const next = nextTurns(now, shares, 2);
          ({ shares } = next);
          for (const batch of next.turns) waiting.set(batch, elapsed);
          elapsed += agingMs / 2;
        }
        for (const since of waiting.values()) expect(elapsed - since).toBeLessThan(40 * agingMs);
      }),
      { numRuns: 40 },
    );
  });

  test("the same facts give the same turns, in whatever order they come", () => {
    fc.assert(
      fc.property(crowd(), fc.nat(), fc.integer({ min: 0, max: 60 }), (all, at, count) => {
        const { shares } = nextTurns(all, noShares, at % 30);
        const before = JSON.stringify([all, shares]);
        const next = nextTurns(all, shares, count);
        const turned = [...all.slice(at % all.length), ...all.slice(0, at % all.length)].reverse();
        expect(nextTurns(turned, shares, count)).toEqual(next);
        expect(JSON.stringify([all, shares])).toBe(before);
      }),
    );
  });

  test("turns are as many as are ready or asked for, never more than one has, the higher before the lower", () => {
    fc.assert(
      fc.property(crowd({ waitedMs: fc.constant(0) }), fc.nat({ max: 200 }), (all, count) => {
        const turns = turnsOf(all, count);
        expect(turns).toHaveLength(
          Math.min(
            count,
            all.reduce((sum, { ready }) => sum + ready, 0),
          ),
        );
        for (const { batch, ready } of all)
          expect(turns.filter((one) => one === batch).length).toBeLessThanOrEqual(ready);
        const priorities = turns.map((batch) => all.find((one) => one.batch === batch)!.priority);
        expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
      }),
    );
  });

  test("turns one by one are those of one call", () => {
    fc.assert(
      fc.property(equals, (all) => {
        expect(turnsOneByOne(all, 60)).toEqual(turnsOf(all, 60));
      }),
      { numRuns: 50 },
    );
  });
});
