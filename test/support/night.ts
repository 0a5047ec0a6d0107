import type { BatchBody, ClipBody, FailureClass, MicroUsd } from "@reelq/contract";
import { failureClasses, statuses } from "@reelq/contract";

/** When a night's batch was asked for: 22 Nov 2026, 21:47 in Berlin. */
export const bedtime = Date.UTC(2026, 10, 22, 20, 47);

const MINUTE = 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();

export const someBatchId = "batch_0193a5b0-7c00-7000-8000-000000000001";

/** A stored clip with nothing remarkable about it but what is said. */
export function aClip(facts: Partial<ClipBody> = {}): ClipBody {
  const { number = 1, status = "stored", size = "1280x720", seconds = 10 } = facts;
  const [width = 0, height = 0] = size.split("x").map(Number);
  const isDone = status === "stored";
  const sentAt = bedtime + 13 * MINUTE + number * 20_000;
  const id = `video_0193a5b0-7c00-7000-8000-${String(number).padStart(12, "0")}`;
  const price = seconds * 100_000;
  return {
    object: "batch.clip",
    number,
    line: number + 1,
    custom_id: `shot-${String(number).padStart(3, "0")}`,
    take: 1,
    video_id: id,
    status,
    origin: "new",
    waived: false,
    skipped: false,
    before: [],
    prompt: "A cat walks on the street",
    model: "sora-2",
    seconds,
    size,
    reference_sha256: null,
    remix_of: null,
    priority: 0,
    tags: [],
    lane: "gateway/sora-2",
    waiting: null,
    failure: null,
    money: { estimated: price, reserved: 0, charged: isDone ? price : 0, unknown: 0 },
    attempts: isDone ? 1 : 0,
    looks: isDone ? 6 : 0,
    setbacks: 0,
    accepted_at: iso(bedtime),
    sent_at: isDone ? iso(sentAt) : null,
    rendered_at: isDone ? iso(sentAt + 90_000 + (number % 17) * 4_000) : null,
    ended_at: isDone ? iso(sentAt + 96_000 + (number % 17) * 4_000) : null,
    file: isDone
      ? {
          key: `2026/11/22/${id}.mp4`,
          bytes: 2_400_000 + number * 913,
          sha256: number.toString(16).padStart(64, "c0ffee"),
          content_type: "video/mp4",
          duration_ms: seconds * 1_000,
          width,
          height,
          differences: [],
          thumbnail: `2026/11/22/${id}.webp`,
        }
      : null,
    ...facts,
  };
}

/** Why a clip failed, as its class says. */
export function aFailure(name: FailureClass, message: string): NonNullable<ClipBody["failure"]> {
  const { meaning, charged, retry } = failureClasses[name];
  return { class: name, code: name, message, meaning, charged, retry };
}

type ReelqFacts = Partial<BatchBody["reelq"]>;

/** The batch that these clips are, finished unless something else is said. */
export function aBatch(
  clips: readonly ClipBody[] = [],
  reelq: ReelqFacts = {},
  facts: Partial<BatchBody> = {},
): BatchBody {
  const seconds = Math.round(bedtime / 1_000);
  const counts = countsOf(clips);
  return {
    id: someBatchId,
    object: "batch",
    endpoint: "/v1/videos",
    errors: null,
    input_file_id: "file_0193a5b0-7c00-7000-8000-000000000002",
    completion_window: "24h",
    status: "completed",
    output_file_id: null,
    error_file_id: null,
    created_at: seconds,
    in_progress_at: seconds + 4,
    expires_at: null,
    finalizing_at: null,
    completed_at: seconds + 7 * 3_600,
    failed_at: null,
    expired_at: null,
    cancelling_at: null,
    cancelled_at: null,
    request_counts: { total: clips.length, completed: counts.stored, failed: counts.failed },
    metadata: null,
    ...facts,
    reelq: {
      state: "completed",
      name: "shots",
      project: "default",
      reason: null,
      counts,
      money: {
        estimated: sumOf(clips, ({ money }) => money.estimated ?? 0),
        reserved: sumOf(clips, ({ money }) => money.reserved),
        charged: sumOf(clips, ({ money }) => money.charged),
        unknown: sumOf(clips, ({ money }) => money.unknown),
      },
      budget: null,
      at_budget: "finish",
      window: null,
      priority: 0,
      weight: 1,
      canary: null,
      stop_after_failures: 5,
      stop_after: null,
      on_source_failure: "skip",
      forecast: null,
      lanes: [],
      looks: clips.reduce((sum, { looks }) => sum + looks, 0),
      retries: clips.reduce((sum, { setbacks }) => sum + setbacks, 0),
      report: true,
      updated_at: iso(bedtime + 7 * 60 * MINUTE),
      ...reelq,
    },
  };
}

const sumOf = (clips: readonly ClipBody[], of: (clip: ClipBody) => MicroUsd): MicroUsd =>
  clips.reduce((sum, clip) => sum + (clip.origin === "new" ? of(clip) : 0), 0);

function countsOf(clips: readonly ClipBody[]): BatchBody["reelq"]["counts"] {
  const counted = clips.filter(({ waived }) => !waived);
  const byStatus = Object.fromEntries(
    statuses.map((status) => [status, counted.filter((clip) => clip.status === status).length]),
  ) as Record<(typeof statuses)[number], number>;
  return {
    total: clips.length,
    ...byStatus,
    reused: counted.filter(({ origin, status }) => origin === "reused" && status === "stored").length,
    skipped: counted.filter(({ skipped }) => skipped).length,
    waived: clips.length - counted.length,
  };
}

export async function* oneByOne(clips: Iterable<ClipBody>): AsyncGenerator<ClipBody> {
  yield* clips;
}

const subjects = [
  "A red fox crosses a frozen river",
  "An old tram climbs the hill in the rain",
  "Hands shape a clay bowl on a wheel",
  "A lighthouse sweeps its beam through fog",
  "A boy runs with a paper kite along the dunes",
  "Steam rises over a ramen counter at midnight",
  "Two dancers turn in an empty warehouse",
  "A glass of water on a sill, the city upside down in it",
  "Bees at work in a field of lavender",
  "A diver lets go of the rope and sinks into blue",
];
const ways = [
  "slow tracking shot at eye level, 35 mm, soft grain",
  "locked-off wide shot, first light, long shadows",
  "hand-held, close, shallow depth of field",
  "seen from above, the camera turns a quarter circle",
  "one take, from the detail out to the whole",
  "backlit, dust in the air, no cut",
];
const models = [
  { model: "sora-2", lane: "gateway/sora-2", seconds: 10, micros: 100_000, size: "1280x720" },
  { model: "sora-2", lane: "gateway/sora-2", seconds: 10, micros: 100_000, size: "720x1280" },
  { model: "veo-3.1", lane: "studio/veo-3.1", seconds: 8, micros: 75_000, size: "1280x720" },
  { model: "sora-2-pro", lane: "gateway/sora-2-pro", seconds: 15, micros: 300_000, size: "1792x1024" },
] as const;

/** The clips of one night: mostly stored, some reused, a remix, and most of what may go wrong. */
export function aNight(count = 300): ClipBody[] {
  return Array.from({ length: count }, (_, index): ClipBody => {
    const number = index + 1;
    const { micros, ...of } = models[(index * 7) % 10 < 5 ? 0 : (index * 7) % 4] ?? models[0];
    const take = index % 9 === 8 ? 2 : 1;
    const price = of.seconds * micros;
    const clip = aClip({
      ...of,
      number,
      take,
      custom_id: `s${String(1 + Math.floor(index / 20)).padStart(2, "0")}-${String(number).padStart(3, "0")}`,
      prompt: `${subjects[(index * 3) % subjects.length]}, ${ways[(index * 5) % ways.length]}`,
      setbacks: index % 11 === 3 ? 2 : 0,
      looks: 4 + (index % 7),
      tags: index % 20 < 3 ? ["teaser"] : [],
      money: { estimated: price, reserved: 0, charged: price, unknown: 0 },
    });
    return { ...clip, ...trouble(clip, price) };
  });
}

function trouble(clip: ClipBody, price: MicroUsd): Partial<ClipBody> {
  const free = { estimated: price, reserved: 0, charged: 0, unknown: 0 };
  const gone = { file: null, rendered_at: null };
  switch (clip.number) {
    case 12:
      return {
        ...gone,
        status: "failed",
        failure: aFailure("moderated", "Your request was blocked by our moderation system: likeness of a real person."),
        money: { ...free, unknown: price },
      };
    case 34:
    case 35:
      return {
        ...gone,
        status: "failed",
        failure: aFailure("render_failed", "internal: renderer ran out of memory at frame 212"),
        money: { ...free, unknown: price },
      };
    case 36:
      return { ...gone, status: "cancelled", skipped: true, sent_at: null, attempts: 0, looks: 0, money: free };
    case 57:
      return {
        ...gone,
        status: "failed",
        failure: aFailure("given_up", "It was still rendering after a day."),
        money: { ...free, unknown: price },
      };
    case 58:
      return { ...gone, status: "cancelled", waived: true, sent_at: null, attempts: 0, looks: 0, money: free };
    case 77:
      return {
        remix_of: "video_0193a5b0-7c00-7000-8000-000000000076",
        prompt: "The same, but at night, in heavy rain",
      };
    case 90:
      return { file: clip.file && { ...clip.file, differences: ["It is 9.6 s long, not 10 s."] } };
    case 101:
      return {
        before: ["video_0193a5b0-7c00-7000-8000-00000000a101"],
        prompt: `${"Shot 1:\nduration: 5sec\nScene: A watchmaker opens the back of a pocket watch; the light of the window lies on the brass. ".repeat(3)}\nShot 2:\nduration: 5sec\nScene: The gears engage, one after the other.`,
      };
    default:
      return clip.number % 12 === 0 ? { origin: "reused", looks: 0, setbacks: 0, attempts: 0 } : {};
  }
}
