import { instantFleet, instantModel, instantSize } from "../frame/instant.ts";

/** A model whose lane has one place, which is never given back. */
export const stuckModel = "stuck-1";

/** So many of the measured model's videos may run at once: far more than end in the half second that a full lane rests. */
export const places = 1_000;

/** How long a render lasts, in ms: evenly spread. */
export const renderMs = { from: 100, upTo: 500 };

/** A lane whose videos flow, and one that is full for ever. */
export const flowFleet = {
  ...instantFleet,
  upstreams: {
    main: {
      ...instantFleet.upstreams.main,
      models: {
        [instantModel]: { limits: { inFlight: places } },
        [stuckModel]: { limits: { inFlight: 1 } },
      },
    },
  },
  models: {
    ...instantFleet.models,
    [stuckModel]: {
      seconds: [1],
      sizes: [instantSize],
      defaultSeconds: 1,
      defaultSize: instantSize,
      typicalRenderSeconds: 3_600,
    },
  },
};

/** What is to be asked for. */
export interface AskingInput {
  readonly redisUrl: string;
  readonly model: string;
  readonly count: number;
}

/** What one process of several did. */
export interface Part {
  readonly cpuSeconds: number;
  readonly creates: number;
  readonly looks: number;
  readonly hiccups: readonly string[];
}

/** What one process is told that lets videos flow past others that are queued. */
export interface FlowInput {
  readonly redisUrl: string;
  readonly concurrency: number;
  /** Kept in flow by this process: each that is stored is followed by another one. */
  readonly atOnce: number;
  /** Stored before anything is measured. */
  readonly before: number;
  /** How long is measured, in ms. */
  readonly forMs: number;
}

/** What those lives took. */
export interface Flow {
  readonly lives: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly looks: number;
  /** By Redis's own record, what is inside scripts included. */
  readonly redis: RedisWork;
  /** Queued videos at its beginning and its end, those of all lanes. */
  readonly queued: readonly [number, number];
  /** What the sweep asks of each queued video that is late, with nothing else at work. */
  readonly question: Question;
  readonly hiccups: readonly string[];
}

export interface Question {
  readonly videos: number;
  readonly seconds: number;
  readonly redis: RedisWork;
}

export interface RedisWork {
  readonly commands: number;
  readonly cpuSeconds: number;
  /** Of each command: how often, and how long in all. */
  readonly byCommand: Readonly<Record<string, { readonly calls: number; readonly seconds: number }>>;
}
