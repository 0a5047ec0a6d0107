import { type Document, isAlias, isMap, isNode, isSeq, type Node, type YAMLMap } from "yaml";
import type { Mistake } from "./config-mistake.ts";
import { type Path, placeName } from "./place.ts";
import { isMergeKey, isName } from "./yaml-tree.ts";

/** Aliases that stand for aliases multiply: a few lines can unfold to more than any memory holds. */
const MOST_VALUES = 1_000_000;
/** No schema of ours goes so deep. */
const DEEPEST = 100;

/** How much a node unfolds to. */
interface Extent {
  readonly values: number;
  readonly depth: number;
}

export interface Survey {
  /** What each alias stands for. */
  readonly targets: ReadonlyMap<unknown, unknown>;
  /** After these nothing more can be judged: the data cannot be made. */
  readonly fatal: readonly Mistake[];
  /** Keys that would vanish silently. */
  readonly keys: readonly Mistake[];
}

/** Goes once through a document, in its order, and says what is wrong in it whatever it means. */
export function survey(document: Document, lineAt: (node: Node) => number): Survey {
  const targets = new Map<unknown, unknown>();
  const fatal: Mistake[] = [];
  const keys: Mistake[] = [];
  const anchors = new Map<string, unknown>();
  const extents = new Map<unknown, Extent>();

  function measure(node: unknown, place: Path): Extent {
    if (isAlias(node)) return measureAlias(node);
    // It is known only by its end, so that what stands inside itself is found.
    if (isNode(node) && node.anchor !== undefined) anchors.set(node.anchor, node);
    const parts = isMap(node) ? measureMap(node, place) : isSeq(node) ? measureItems(node.items, place) : [];
    const extent = {
      values: parts.reduce((sum, { values }) => sum + values, 1),
      depth: parts.reduce((deepest, { depth }) => Math.max(deepest, depth), 0) + 1,
    };
    extents.set(node, extent);
    return extent;
  }

  function measureAlias(alias: Node & { readonly source: string }): Extent {
    const target = anchors.get(alias.source);
    const extent = extents.get(target);
    targets.set(alias, target);
    if (extent !== undefined) return extent;
    // Its name is not told: it may be a secret that begins with a star.
    const say = () =>
      target === undefined
        ? "an alias has no anchor before it; put a text that starts with * in quotes"
        : "an alias stands inside its own anchor; write out what is meant";
    fatal.push({ line: lineAt(alias), say });
    return { values: 1, depth: 1 };
  }

  const measureItems = (items: readonly unknown[], place: Path): Extent[] =>
    items.map((item, index) => measure(item, [...place, index]));

  function measureMap(map: YAMLMap, place: Path): Extent[] {
    const first = new Map<string, number>();
    return map.items.map(({ key, value }) => {
      const line = isNode(key) ? lineAt(key) : lineAt(map);
      if (isMergeKey(key)) judgeMerge(value, line, place);
      else if (isName(key)) judgeName(String(key.value), first, line, place);
      else keys.push({ line, say: () => `${placeName(place)} has a key that is no text; each needs a plain name` });
      return measure(value, isName(key) ? [...place, String(key.value)] : place);
    });
  }

  function judgeName(name: string, first: Map<string, number>, line: number, place: Path): void {
    const whole = () => placeName([...place, name]);
    const before = first.get(name);
    // Of two values under one name only one would count, and nobody could see which.
    if (before === undefined) first.set(name, line);
    else keys.push({ line, say: () => `${whole()} is written twice, first on line ${before}; keep one of them` });
    if (name === "__proto__") keys.push({ line, say: () => `${whole()}: nothing can have this name; choose another` });
  }

  function judgeMerge(value: unknown, line: number, place: Path): void {
    const target = (node: unknown): unknown => (isAlias(node) ? anchors.get(node.source) : node);
    const source = target(value);
    const sources = isSeq(source) ? source.items.map(target) : [source];
    // An alias without an anchor is told as such.
    if (sources.every((one) => one === undefined || isMap(one))) return;
    fatal.push({ line, say: () => `${placeName(place)}: << takes a map, or a list of maps` });
  }

  const { values, depth } = measure(document.contents, []);
  if (depth > DEEPEST) fatal.push(tooDeep);
  if (values > MOST_VALUES)
    fatal.push({ say: () => "its aliases unfold to more than a million values; write out what is meant" });
  return { targets, fatal, keys };
}

export const tooDeep: Mistake = { say: () => `nests more than ${DEEPEST} levels deep, which no settings do` };
