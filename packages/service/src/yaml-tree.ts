import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Pair, Scalar, type YAMLMap } from "yaml";
import type { Path } from "./place.ts";

/** A document as data: aliases are followed, and what `<<` names is merged into its map. */
export interface YamlTree {
  readonly data: () => unknown;
  /** The node at a place of the data; undefined where nothing is. */
  readonly nodeAt: (place: Path) => unknown;
  /** The line that a place was written on, or its nearest surrounding one; from 1. */
  readonly lineOf: (place: Path) => number;
}

/**
 * Opens a document in which nothing stands inside itself.
 * @param targets what each alias stands for
 */
export function openTree(
  document: Document,
  targets: ReadonlyMap<unknown, unknown>,
  lineAt: (node: Node) => number,
): YamlTree {
  const follow = (node: unknown): unknown => (isAlias(node) ? targets.get(node) : node);
  const known = new Map<unknown, ReadonlyMap<string, Pair>>();

  /** The entries of a map by name: its own come before merged ones, those of an earlier source before a later one's. */
  function entriesOf(map: YAMLMap): ReadonlyMap<string, Pair> {
    const before = known.get(map);
    if (before) return before;
    const entries = new Map<string, Pair>();
    for (const pair of map.items) if (isName(pair.key)) entries.set(String(pair.key.value), pair);
    for (const source of map.items.filter(({ key }) => isMergeKey(key)).flatMap(({ value }) => mergeSources(value)))
      for (const [name, pair] of entriesOf(source)) if (!entries.has(name)) entries.set(name, pair);
    known.set(map, entries);
    return entries;
  }

  const mergeSources = (value: unknown): YAMLMap[] => {
    const source = follow(value);
    return (isSeq(source) ? source.items.map(follow) : [source]).filter((one) => isMap(one));
  };

  function find(place: Path): { node: unknown; line: number } {
    let here = follow(document.contents);
    let line = 1;
    for (const step of place) {
      const pair = isMap(here) ? entriesOf(here).get(String(step)) : undefined;
      const item = isSeq(here) ? here.items[Number(step)] : undefined;
      // A map's value may start lines below its key; people look for the key.
      const written = (pair?.key ?? item) as Node | undefined;
      if (written === undefined) return { node: undefined, line };
      line = lineAt(written);
      here = follow(pair ? pair.value : item);
    }
    return { node: here, line };
  }

  function data(): unknown {
    const made = new Map<unknown, unknown>();
    const plain = (written: unknown): unknown => {
      const node = follow(written);
      if (isScalar(node)) return node.value;
      if (!made.has(node)) made.set(node, isSeq(node) ? node.items.map(plain) : isMap(node) ? plainMap(node) : null);
      return made.get(node);
    };
    const plainMap = (map: YAMLMap): unknown =>
      Object.fromEntries([...entriesOf(map)].map(([name, { value }]) => [name, plain(value)]));
    return plain(document.contents);
  }

  return { data, nodeAt: (place) => find(place).node, lineOf: (place) => find(place).line };
}

/** `<<` without quotes, whose value is merged into the map that it stands in. */
export const isMergeKey = (key: unknown): key is Scalar =>
  isScalar(key) && key.value === "<<" && key.type === Scalar.PLAIN;

/** A key that names a value: neither a list nor a map, nor nothing. */
export const isName = (key: unknown): key is Scalar => isScalar(key) && key.value !== null && !isMergeKey(key);
