import type { Lane, Video, VideoRequest } from "@reelq/contract";
import { type Fleet, othersThan } from "./fleet.ts";
import type { LaneState } from "./lane-state.ts";
import { laneName } from "./lane.ts";
import { type Obstacle, obstacleOf } from "./obstacle.ts";

/** Reads what lanes hold; stages know nothing of Redis. */
export type ReadLanes = (lanes: readonly Lane[]) => Promise<LaneState[]>;

/** Finds lanes for new videos, and remembers those that are on their way into one. */
export interface Router {
  /**
   * The lanes that new videos go to: of those that serve its model and whose breaker is closed, the one with the
   * least work for its weight, those chosen before it included. Undefined where nobody serves the model.
   */
  choose(requests: readonly Pick<VideoRequest, "model">[]): Promise<Choice>;
}

interface Choice {
  readonly lanes: readonly (Lane | undefined)[];
  /** They are in the ledger, or will never be. */
  arrived(): void;
}

export function openRouter(fleet: Fleet, read: ReadLanes): Router {
  // A thousand that are accepted at once all read the same lanes: each must count those before it.
  const coming = new Map<string, number>();
  const add = (lane: Lane, number: number) => coming.set(laneName(lane), (coming.get(laneName(lane)) ?? 0) + number);
  const onTheWay = (lane: Lane): number => coming.get(laneName(lane)) ?? 0;
  return {
    async choose(requests) {
      const states = new Map<string, readonly LaneState[]>();
      for (const model of new Set(requests.map((request) => request.model))) {
        const lanes = fleet.lanesOf(model);
        if (lanes.length > 1) states.set(model, await read(lanes));
      }
      const chosen: Lane[] = [];
      const lanes = requests.map(({ model }) => {
        const known = states.get(model);
        if (!known) return fleet.lanesOf(model)[0];
        const lane = leastLoaded(known.filter(isReachable), fleet, onTheWay) ?? leastLoaded(known, fleet, onTheWay);
        if (lane) {
          add(lane, 1);
          chosen.push(lane);
        }
        return lane;
      });
      return { lanes, arrived: () => chosen.forEach((lane) => add(lane, -1)) };
    },
  };
}

/**
 * Where a queued video goes whose lane gives no leave: undefined, it stays. Away from an upstream that cannot be
 * reached to whoever serves its model, by weight and load, or failing them to an equivalent that the operator named;
 * away from a lane that is merely busy only to one of the same model that is idle.
 */
export async function elsewhere(
  video: Video,
  obstacle: Pick<Obstacle, "kind">,
  fleet: Fleet,
  read: ReadLanes,
): Promise<Lane | undefined> {
  // What it remixes lies at one account.
  if (video.request.remixOf) return undefined;
  const others = othersThan(video.lane, fleet.lanesOf(video.request.model));
  const states = await read(others);
  if (obstacle.kind !== "breaker") {
    return leastLoaded(
      states.filter((state) => isIdle(state, fleet)),
      fleet,
    );
  }
  const reachable = states.filter((state) => isReachable(state));
  if (reachable.length > 0) return leastLoaded(reachable, fleet);
  const standIns = await read(othersThan(video.lane, fleet.equivalentsOf(video.request)));
  return leastLoaded(
    standIns.filter((state) => isReachable(state)),
    fleet,
  );
}

/** A half-open upstream is given no more than the one video that tries it. */
const isReachable = ({ breaker, waiting }: LaneState): boolean =>
  breaker.state === "closed" || (breaker.state === "half_open" && breaker.waitMs === 0 && waiting === 0);

/** It would send one more video at once, and nobody waits for that. */
const isIdle = (state: LaneState, fleet: Fleet): boolean => state.waiting === 0 && hasRoom(state, fleet);

/** Whether leave would most likely be given now. */
export const hasRoom = (state: LaneState, fleet: Fleet): boolean =>
  obstacleOf(state, fleet.limitsOf(state.lane)) === undefined;

function leastLoaded(
  states: readonly LaneState[],
  fleet: Fleet,
  onTheWay: (lane: Lane) => number = () => 0,
): Lane | undefined {
  const loadOf = ({ lane, waiting, inFlight }: LaneState): number =>
    (waiting + inFlight + onTheWay(lane) + 1) / fleet.weightOf(lane);
  return states.toSorted((one, other) => loadOf(one) - loadOf(other))[0]?.lane;
}
