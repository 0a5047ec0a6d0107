import { randomUUID } from "node:crypto";
import { type BatchId, type BatchMistake, type ManifestItem, ProblemError } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import { SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import type { Outside, Producer } from "../producer.ts";
import { openUploads } from "../uploads.ts";
import { openEnlisting, type Take } from "./enlisting.ts";
import { stretchOf } from "./gate.ts";
import { judgeLine } from "./line.ts";
import { findSource, type KnownLine, type Survey, surveyManifest } from "./manifest.ts";
import type { BatchRecord } from "./record.ts";
import { openReferences, type References } from "./references.ts";
import { sourceOf } from "./source.ts";
import { openBatchStore } from "./store.ts";

/** Reads a manifest, whatever its format. */
export type ReadManifest = (
  bytes: AsyncIterable<Uint8Array>,
  options: { readonly filename: string; readonly defaults: Readonly<Record<string, unknown>> },
) => AsyncIterable<ManifestItem>;

export interface IntakeParts {
  readonly producer: Pick<Producer, "read">;
  readonly outside: Pick<Outside, "fetchImage">;
  readonly readManifest: ReadManifest;
}

/** What a manifest's whole judging needs of its batch. */
type Manifest = Pick<BatchRecord["spec"], "inputFile" | "filename" | "defaults" | "references">;

/** Judges manifests, and makes their clips durable. */
export interface Intake {
  /** @param keep false: nothing is written, not even an image */
  survey(manifest: Manifest, caller: Caller, keep: boolean): Promise<{ survey: Survey; references: References }>;
  /** Judges and accepts a batch's manifest, or goes on where another process was stopped; does nothing where somebody is at it. */
  take(id: BatchId): Promise<void>;
}

/** So many clips become durable together; others wait for the script meanwhile. */
const chunkLength = 200;

/** A process that judges a manifest says so this often, and is taken for gone after three times as long. */
const leaseMs = 5 * SECOND;

export function openIntake(engine: Engine, { producer, outside, readManifest }: IntakeParts): Intake {
  const { redis, keys, clock, fleet, facts } = engine;
  const store = openBatchStore(engine);
  const enlisting = openEnlisting(engine);
  const uploads = openUploads(engine);
  const me = randomUUID();

  async function* itemsOf({ inputFile, filename, defaults }: Manifest, caller: Caller): AsyncGenerator<ManifestItem> {
    const upload = await uploads.read(inputFile, caller);
    const body = await uploads.open(upload);
    try {
      yield* readManifest(body as AsyncIterable<Uint8Array>, { filename, defaults });
    } finally {
      body.destroy();
    }
  }

  async function survey(manifest: Manifest, caller: Caller, keep: boolean) {
    const references = openReferences(engine, outside, manifest.references, caller, keep);
    const judged = await surveyManifest(itemsOf(manifest, caller), {
      fleet,
      reference: references.find,
      source: (id) => sourceOf(id, caller, producer, fleet),
    });
    return { survey: judged, references };
  }

  async function refuse(batch: BatchRecord, mistakes: readonly BatchMistake[], count: number): Promise<void> {
    const now = clock.now();
    const first = mistakes[0];
    const why =
      count === 1 && first
        ? `${first.line === null ? "" : `Line ${first.line}: `}${first.message}`
        : `The manifest has ${count} mistakes, and nothing of it was accepted.`;
    const set = ["errors", JSON.stringify(mistakes), "reason", "manifest", "why", why, "since", now];
    // What a process accepted that was stopped in the middle is taken back first.
    if (batch.enlisted > 0)
      await store.turn(batch, ["validating"], "cancelling", { set: [...set, "ending", "failed"] });
    else
      await store.turn(batch, ["validating"], "failed", {
        event: "batch.failed",
        keeping: "over",
        set: [...set, "endedAt", now],
      });
  }

  async function accept(batch: BatchRecord, caller: Caller): Promise<void> {
    let judged: Awaited<ReturnType<typeof survey>>;
    try {
      judged = await survey(batch.spec, caller, true);
    } catch (error) {
      // The manifest itself is gone.
      if (!(error instanceof ProblemError)) throw error;
      const [{ code, message, param }] = error.problems;
      return refuse(batch, [{ code, line: null, message, param: param ?? null }], 1);
    }
    const { lines, mistakes, mistakeCount } = judged.survey;
    if (mistakeCount > 0) return refuse(batch, mistakes, mistakeCount);
    const unpriced = unpricedOf(lines, engine);
    if (batch.budget !== undefined && unpriced.length > 0) return refuse(batch, [noPrice(unpriced)], 1);
    if (unpriced.length > 0) await redis.hset(keys.batch(batch.id), "unpriced", "1");
    const sources = await enlist(batch, judged.survey, judged.references, caller);
    const now = clock.now();
    // Sources that are stored already will not end once more.
    for (let from = 0; from < sources.length; from += 1_000)
      await redis.zadd(
        keys.batchNews,
        ...sources.slice(from, from + 1_000).flatMap((number) => [0, `${batch.id} ${number}`]),
      );
    const stretch = stretchOf(batch, now);
    await store.turn(batch, ["validating"], "running", {
      event: "batch.in_progress",
      set: ["runningAt", now, ...(stretch ? ["windowClosesAt", stretch.closesAt] : [])],
    });
  }

  /** Somebody may cancel it meanwhile; what was accepted of it is cancelled by the keeper. */
  async function acceptUnlessStopped(batch: BatchRecord): Promise<void> {
    try {
      await accept(batch, { project: batch.spec.project, key: batch.spec.key, isAdmin: false });
    } catch (error) {
      if ((await store.read(batch.id))?.state === "validating") throw error;
    }
  }

  /** @returns the numbers of the clips that others remix and that are no video of this batch */
  async function enlist(
    batch: BatchRecord,
    { lines }: Survey,
    references: References,
    caller: Caller,
  ): Promise<readonly number[]> {
    const wanted = sourceNumbers(lines);
    const elsewhere: number[] = [];
    const already = batch.enlisted;
    let chunk: Take[] = [];
    let ordinal = 0;
    const flush = async () => {
      await enlisting(chunk, batch);
      chunk = [];
    };
    for await (const item of itemsOf(batch.spec, caller)) {
      if (item.kind === "mistake") continue;
      ordinal += 1;
      const line = judgeLine(item, ordinal, fleet.catalogue);
      const known = lines.get(line.customId);
      if (!known) throw new Error(`Line ${item.line} of ${batch.id} is not what it was when it was judged.`);
      const image =
        line.reference === undefined ? undefined : await references.find(line.reference, line.shape?.size ?? "");
      for (let take = 1; take <= line.takes; take += 1) {
        if (known.number + take - 1 <= already) continue;
        chunk.push({ line, known, take, image, source: sourceNumber(known, lines) });
        if (chunk.length >= chunkLength) await flush();
      }
    }
    await flush();
    const numbers = [...wanted];
    for (let from = 0; from < numbers.length; from += 1_000)
      for (const [number, { origin }] of await store.clips(batch.id, numbers.slice(from, from + 1_000)))
        if (origin !== "new") elsewhere.push(number);
    return elsewhere;
  }

  return {
    survey,

    async take(id) {
      const lock = keys.batchIntake(id);
      if ((await redis.set(lock, me, "PX", 3 * leaseMs, "NX")) === null) return;
      const lease = setInterval(() => {
        redis
          .pexpire(lock, 3 * leaseMs)
          .catch((error: Error) => facts.emit("hiccup", { where: "batch intake", error }));
      }, leaseMs);
      try {
        const batch = await store.read(id);
        if (batch?.state === "validating") await acceptUnlessStopped(batch);
      } finally {
        clearInterval(lease);
        await redis.del(lock).catch(() => 0);
      }
    },
  };
}

/** The numbers of the clips that others remix. */
function sourceNumbers(lines: Survey["lines"]): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const known of lines.values()) {
    const number = sourceNumber(known, lines);
    if (number !== undefined) numbers.add(number);
  }
  return numbers;
}

/** The number of the clip of the same manifest that a line remixes. */
function sourceNumber({ source }: KnownLine, lines: Survey["lines"]): number | undefined {
  const found = source?.kind === "clip" ? findSource(lines, source) : undefined;
  return found && found.line.number + found.take - 1;
}

/** Models of the manifest that nobody said a price of, in some lane that serves them. */
export function unpricedOf(lines: Survey["lines"], { fleet }: Pick<Engine, "fleet">): readonly string[] {
  const shapes = [...lines.values()].flatMap(({ shape }) => shape ?? []);
  const models = new Map(shapes.map((shape) => [shape.model, shape]));
  return [...models.values()]
    .filter(({ model, seconds }) => fleet.lanesOf(model).some((lane) => fleet.priceIn(lane, seconds) === undefined))
    .map(({ model }) => model)
    .sort();
}

export const noPrice = (models: readonly string[]): BatchMistake => ({
  code: "invalid_value",
  line: null,
  message: `A budget cannot be held without prices, and nobody said what ${models.join(", ")} cost${models.length === 1 ? "s" : ""}; add price under models in REELQ_CONFIG, or leave the budget out.`,
  param: "reelq.budget_usd",
});
