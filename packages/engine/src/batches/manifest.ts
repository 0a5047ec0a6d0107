import {
  type BatchMistake,
  type ManifestItem,
  mostLines,
  type ProblemError,
  ProblemError as Refusal,
  type Reference,
  type Video,
  type VideoRequest,
} from "@reelq/contract";
import type { Fleet } from "../fleet.ts";
import { digestOf, judgeLine, type Line } from "./line.ts";

/** So many mistakes are told; who made more begins with these. */
const mostMistakes = 1_000;

/** What a clip is rendered as. */
interface Shape {
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
}

/** What must be known of every line while another one is judged: little, for there may be very many. */
export interface KnownLine {
  readonly line: number;
  readonly takes: number;
  /** Of its first take, from 1. */
  readonly number: number;
  shape: Shape | undefined;
  /** Equal for lines that ask for the same. */
  digest: string;
  /** How many takes of the same were asked for before it. */
  takesBefore: number;
  readonly source: KnownSource | undefined;
}

type KnownSource =
  | { readonly kind: "clip"; readonly customId: string; readonly take: number; readonly promptDigest: string }
  /** A video that is stored already, where it was rendered. */
  | { readonly kind: "video"; readonly video: Video };

/** A whole manifest, judged. */
export interface Survey {
  readonly lines: ReadonlyMap<string, KnownLine>;
  readonly clips: number;
  /** In the order of their lines, the first thousand. */
  readonly mistakes: readonly BatchMistake[];
  readonly mistakeCount: number;
  readonly notes: readonly string[];
}

/** What judging a line takes from the world. Each throws ProblemError for what a caller can mend. */
export interface SurveyParts {
  readonly fleet: Pick<Fleet, "catalogue">;
  /** Finds the image that a line names. @param size the clip's, which it should have */
  readonly reference: (written: string, size: string) => Promise<Reference>;
  /** A stored video that may be remixed. */
  readonly source: (id: string) => Promise<Video>;
}

/** Judges every line of a manifest, and all of them together. */
export async function surveyManifest(items: AsyncIterable<ManifestItem>, parts: SurveyParts): Promise<Survey> {
  const lines = new Map<string, KnownLine>();
  const mistakes = openMistakes();
  // Lines that are wrong are no sources, and need no second mistake in those that remix them.
  const broken = new Map<string, number>();
  let [clips, count] = [0, 0];
  for await (const item of items) {
    if (item.kind === "mistake") {
      mistakes.add({ code: "malformed_line", line: item.line, message: item.message, param: item.field ?? null });
      continue;
    }
    count += 1;
    try {
      const line = judgeLine(item, count, parts.fleet.catalogue);
      const first = lines.get(line.customId)?.line ?? broken.get(line.customId);
      if (first !== undefined) mistakes.add(doubled(line, first));
      const known = await knownLine(line, clips + 1, parts);
      if (first === undefined) lines.set(line.customId, known);
      clips += line.takes;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      mistakes.addAll(item.line, error);
      const { id } = item.fields;
      if (typeof id !== "string" || id === "") continue;
      const first = lines.get(id)?.line ?? broken.get(id);
      if (first === undefined) broken.set(id, item.line);
      else mistakes.add(doubled({ line: item.line, customId: id }, first));
    }
  }
  if (count === 0 && mistakes.count() === 0) mistakes.add(empty);
  if (clips > mostClips) mistakes.add(tooMany(clips));
  resolveSources(lines, broken, mistakes);
  const notes = countTakes(lines);
  return { lines, clips, mistakes: mistakes.told(), mistakeCount: mistakes.count(), notes };
}

/** Takes included. */
const mostClips = 2 * mostLines;

const empty: BatchMistake = {
  code: "missing_value",
  line: null,
  message: "The manifest has no lines: name at least one clip.",
  param: null,
};

const tooMany = (clips: number): BatchMistake => ({
  code: "invalid_value",
  line: null,
  message: `The lines ask for ${clips} clips, takes included; a batch may have ${mostClips}. Split the manifest.`,
  param: "takes",
});

const doubled = ({ line, customId }: Pick<Line, "line" | "customId">, first: number): BatchMistake => ({
  code: "invalid_value",
  line,
  message: `id ${JSON.stringify(customId)} is line ${first}'s already; each line needs its own, and takes: 2 gives two of one.`,
  param: "id",
});

async function knownLine(line: Line, number: number, parts: SurveyParts): Promise<KnownLine> {
  const { takes, shape, source } = line;
  const base = { line: line.line, takes, number, takesBefore: 0 };
  if (source?.kind === "clip") {
    const promptDigest = digestOf([line.prompt]);
    return { ...base, shape: undefined, digest: "", source: { ...source, promptDigest } };
  }
  if (source) {
    const video = await parts.source(source.id);
    const { model, seconds, size } = video.request;
    const digest = remixDigest(video.batch?.renderKey ?? video.id, digestOf([line.prompt]));
    return { ...base, shape: { model, seconds, size }, digest, source: { kind: "video", video } };
  }
  if (!shape) throw new Error(`Line ${line.line} was judged, and has no shape.`);
  const image = line.reference === undefined ? undefined : await parts.reference(line.reference, shape.size);
  const { model, seconds, size } = shape;
  const digest = clipDigest({ model, seconds, size, prompt: line.prompt, reference: image });
  return { ...base, shape, digest, source: undefined };
}

/** Equal for requests that ask for the same and remix nothing. */
export const clipDigest = ({
  model,
  seconds,
  size,
  prompt,
  reference,
}: Pick<VideoRequest, "model" | "seconds" | "size" | "prompt" | "reference">): string =>
  digestOf(["clip", model, seconds, size, prompt, reference?.sha256 ?? null]);

const remixDigest = (source: string, promptDigest: string): string => digestOf(["remix", source, promptDigest]);

/** Names a clip: the same for the same request and take, in whatever batch. */
export const renderKeyOf = ({ digest, takesBefore }: Pick<KnownLine, "digest" | "takesBefore">, take: number): string =>
  `${digest}.${takesBefore + take}`;

/** Finds what each remix starts from, wherever in the manifest that is, and what it is rendered as. */
function resolveSources(
  lines: ReadonlyMap<string, KnownLine>,
  broken: ReadonlyMap<string, number>,
  mistakes: Mistakes,
): void {
  // Whose chain leads nowhere: told once, where it breaks.
  const lost = new Set<KnownLine>();
  for (const [customId, known] of lines) {
    const chain: { readonly line: KnownLine; readonly from: FoundSource }[] = [];
    const under = new Set<KnownLine>();
    let at: { readonly customId: string; readonly line: KnownLine } | undefined = { customId, line: known };
    while (at && !at.line.shape && !lost.has(at.line)) {
      const found: FoundSource | undefined = under.has(at.line) ? undefined : nextSource(at, lines, broken, mistakes);
      if (under.has(at.line))
        for (const line of under) wrongSource(line, "this line remixes itself, by way of others", mistakes);
      if (!found) lost.add(at.line);
      else chain.push({ line: at.line, from: found });
      under.add(at.line);
      at = found;
    }
    const isLost = !at || lost.has(at.line);
    for (const { line, from } of chain.toReversed()) {
      if (isLost || line.source?.kind !== "clip") lost.add(line);
      else {
        line.shape = from.line.shape;
        line.digest = remixDigest(`${from.line.digest}.${from.take}`, line.source.promptDigest);
      }
    }
  }
}

/** What a line remixes; says why where that cannot be. */
function nextSource(
  { line }: { readonly line: KnownLine },
  lines: ReadonlyMap<string, KnownLine>,
  broken: ReadonlyMap<string, number>,
  mistakes: Mistakes,
): FoundSource | undefined {
  if (line.source?.kind !== "clip") return undefined;
  const { customId } = line.source;
  const found = findSource(lines, line.source);
  // What is wrong with that line was told there.
  if (found || broken.has(customId)) return found;
  const base = /^(.+)\/\d{1,4}$/s.exec(customId)?.[1] ?? "";
  const takes = lines.get(base)?.takes;
  const why =
    takes === undefined
      ? `there is no line with the id ${quoted(customId)}; name a line of this manifest or a stored video's id`
      : `line ${quoted(base)} has ${takes === 1 ? "one take" : `${takes} takes`}, not so many`;
  wrongSource(line, why, mistakes);
  return undefined;
}

function wrongSource(known: KnownLine, message: string, mistakes: Mistakes): void {
  mistakes.addOnce(known.line, {
    code: "invalid_value",
    line: known.line,
    message: `${message.charAt(0).toUpperCase()}${message.slice(1)}.`,
    param: "remix_of",
  });
}

interface FoundSource {
  readonly customId: string;
  readonly take: number;
  readonly line: KnownLine;
}

/** `shot-1`, or `shot-1/2` for its second take. */
export function findSource(
  lines: ReadonlyMap<string, KnownLine>,
  { customId, take }: { readonly customId: string; readonly take: number },
): FoundSource | undefined {
  const exact = lines.get(customId);
  if (exact) return { customId, take, line: exact };
  const [, name, number] = /^(.+)\/(\d{1,4})$/s.exec(customId) ?? [];
  const line = name === undefined ? undefined : lines.get(name);
  if (!line || name === undefined || Number(number) < 1 || Number(number) > line.takes) return undefined;
  return { customId: name, take: Number(number), line };
}

/** Lines that ask for the very same want further takes of it. */
function countTakes(lines: ReadonlyMap<string, KnownLine>): string[] {
  const takes = new Map<string, { count: number; line: number }>();
  const doubles: string[] = [];
  for (const known of lines.values()) {
    const before = takes.get(known.digest);
    if (before) {
      known.takesBefore = before.count;
      before.count += known.takes;
      if (doubles.length < mostDoubles)
        doubles.push(`Line ${known.line} asks for the same as line ${before.line}: it is rendered as another take.`);
    } else takes.set(known.digest, { count: known.takes, line: known.line });
  }
  return doubles;
}

const mostDoubles = 10;

const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);

/** The mistakes of a manifest, of which the first thousand by their lines are kept. */
interface Mistakes {
  add(mistake: BatchMistake): void;
  addAll(line: number, error: ProblemError): void;
  /** Only where the line has none yet. */
  addOnce(line: number, mistake: BatchMistake): void;
  count(): number;
  told(): readonly BatchMistake[];
}

function openMistakes(): Mistakes {
  const kept: BatchMistake[] = [];
  const told = new Set<number | null>();
  let count = 0;
  const add = (mistake: BatchMistake): void => {
    count += 1;
    told.add(mistake.line);
    if (kept.length < mostMistakes) kept.push(mistake);
  };
  return {
    add,
    addAll: (line, { problems }) => {
      for (const { code, message, param } of problems) add({ code, line, message, param: param ?? null });
    },
    addOnce: (line, mistake) => {
      if (!told.has(line)) add(mistake);
    },
    count: () => count,
    told: () => kept.toSorted((one, other) => (one.line ?? 0) - (other.line ?? 0)),
  };
}
