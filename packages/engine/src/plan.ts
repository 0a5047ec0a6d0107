import { setTimeout as delay } from "node:timers/promises";
import type { Lane, VideoRequest } from "@reelq/contract";
import { type Clock, type Dice, SECOND } from "./clock.ts";
import type { Fleet } from "./fleet.ts";
import { type Finished, type Learned, lessonOf, type Reading } from "./learned.ts";
import type { Ledger } from "./ledger.ts";
import { placesOf } from "./obstacle.ts";
import { expectedRestMs, nextLookMs, type Rest } from "./schedule.ts";
import { recently } from "./recently.ts";

/** A render that is looked at. */
interface Render {
  readonly lane: Lane;
  readonly request: Pick<VideoRequest, "seconds">;
  /** Since the upstream accepted it. */
  readonly ageMs: number;
  /** What it reported last, where it reports at all. */
  readonly reading: Reading | undefined;
}

/** When to look next, by what finished renders of the lane taught all workers. */
export interface Plan {
  /** Ms from now. */
  nextLookMs(render: Render): Promise<number>;
  /** Ms from now until it is done. */
  expected(render: Render): Promise<Rest>;
  /** How long 19 of 20 renders of a lane and length take at the most, in ms; 0 until enough of them have taught it. */
  lastingMs(lane: Lane, request: Pick<VideoRequest, "seconds">): Promise<number>;
  /** Settles once it is written, together with what others teach at about the same time. */
  learn(lane: Lane, request: Pick<VideoRequest, "seconds">, finished: Finished): Promise<void>;
  /** Waits for what is not written yet. */
  settle(): Promise<void>;
}

/** While a video waits for a place, the seconds in which nobody knows that one is free weigh more. */
const impatience = 0.25;

/** Lessons that come within this time of each other are written together, in ms. */
const gatherMs = 50;

/** So many renders say how long others will take. */
const known = 10;

/** So many renders after which a sketch changes slowly. */
const wellKnown = 50;

export function openPlan(
  ledger: Pick<Ledger, "learned" | "learn" | "laneStates">,
  fleet: Pick<Fleet, "catalogue" | "limitsOf">,
  clock: Clock,
  dice: Dice,
): Plan {
  const sketches = recently<Learned>(clock, ({ count }) => (count < wellKnown ? SECOND : 10 * SECOND));
  const contention = recently<boolean>(clock, () => 2 * SECOND);

  let lessons = new Map<string, { lane: Lane; seconds: number; sums: Record<string, number> }>();
  let gathering: Promise<void> | undefined;
  const underWay = new Set<Promise<void>>();
  const gather = (): Promise<void> => {
    const writing = delay(gatherMs)
      .then(write)
      .finally(() => underWay.delete(writing));
    underWay.add(writing);
    return writing;
  };
  const write = async (): Promise<void> => {
    const all = [...lessons.values()];
    lessons = new Map();
    gathering = undefined;
    await Promise.all(all.map(({ lane, seconds, sums }) => ledger.learn(lane, seconds, sums)));
  };

  const factsOf = async ({ lane, request, ageMs, reading }: Render) => ({
    ageMs,
    reading,
    typicalRenderSeconds: fleet.catalogue[lane.model]?.typicalRenderSeconds,
    learned: await sketches(`${lane.upstream}/${lane.model}/${request.seconds}`, () =>
      ledger.learned(lane, request.seconds),
    ),
  });

  const isContended = (lane: Lane): Promise<boolean> =>
    contention(`${lane.upstream}/${lane.model}`, async () => {
      const [state] = await ledger.laneStates([lane]);
      const limits = fleet.limitsOf(lane);
      return state !== undefined && state.waiting > 0 && Number.isFinite(placesOf(state, limits));
    });

  return {
    async nextLookMs(render) {
      const [facts, contended] = await Promise.all([factsOf(render), isContended(render.lane)]);
      return nextLookMs({ ...facts, patience: contended ? impatience : 1 }, dice);
    },
    expected: async (render) => expectedRestMs(await factsOf(render)),
    async lastingMs(lane, request) {
      const facts = await factsOf({ lane, request, ageMs: 0, reading: undefined });
      return facts.learned.count < known ? 0 : expectedRestMs(facts).ninetyFive;
    },
    learn(lane, { seconds }, finished) {
      const key = `${lane.upstream}/${lane.model}/${seconds}`;
      const sums = lessons.get(key)?.sums ?? {};
      for (const [name, sum] of Object.entries(lessonOf(finished, dice))) sums[name] = (sums[name] ?? 0) + sum;
      lessons.set(key, { lane, seconds, sums });
      return (gathering ??= gather());
    },
    settle: async () => void (await Promise.allSettled(underWay)),
  };
}
