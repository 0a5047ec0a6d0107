import { isAlias, isMap, isNode, isScalar, isSeq, type Scalar, type YAMLMap } from "yaml";
import { fieldNamed } from "./field-names.ts";
import { isMap as isObject } from "./reading.ts";
import { shown } from "./shown.ts";
import { mostBytes } from "./text.ts";

interface YamlMistake {
  /** Where it is. */
  readonly node: unknown;
  readonly message: string;
  readonly isEnd?: true;
}

/** Makes plain values of nodes, in the order of the file, and keeps what has an anchor. */
export interface YamlValues {
  read(node: unknown): { readonly value: unknown; readonly mistakes: readonly YamlMistake[] };
}

interface Plain {
  readonly value: unknown;
  /** About as many characters as it takes to write it out, with all that its aliases stand for. */
  readonly length: number;
}

const nothing: Plain = { value: null, length: 1 };

/** No clip goes so deep; whoever goes through one may call itself for each level. */
const deepest = 32;
const mostAnchors = 1_000;
const mostAnchored = 8 * mostBytes;

/** Where a number is meant as it was written: `id: 007`. */
const textFields = ["id", "prompt", "model", "size", "reference", "remix_of", "tags"];

export function openYamlValues(): YamlValues {
  const anchors = new Map<string, Plain>();
  let anchored = 0;
  let mistakes: YamlMistake[] = [];

  function refuse(node: unknown, message: string): Plain {
    mistakes.push({ node, message });
    return nothing;
  }

  /** @param field that the value belongs to */
  function plain(node: unknown, field: string, depth: number): Plain {
    if (depth > deepest) return refuse(node, `This nests more than ${deepest} levels deep, which no clip does.`);
    if (isAlias(node)) return anchors.get(node.source) ?? refuse(node, noAnchor(node.source));
    const made = plainNode(node, field, depth);
    if (made.length > mostBytes)
      return refuse(node, "The aliases in this stand for more than 1 MiB; write out what is meant.");
    if (isNode(node) && node.anchor !== undefined) keep(node, node.anchor, made);
    return made;
  }

  function plainNode(node: unknown, field: string, depth: number): Plain {
    if (isMap(node)) return plainMap(node, depth);
    if (isScalar(node)) return plainScalar(node, field);
    if (!isSeq(node)) return nothing;
    const items = node.items.map((item) => plain(item, field, depth + 1));
    return { value: items.map(({ value }) => value), length: items.reduce((sum, { length }) => sum + length, 1) };
  }

  function plainMap(map: YAMLMap, depth: number): Plain {
    const own = new Map<string, unknown>();
    /** Of two that say the same, the first counts. */
    const inherited: object[] = [];
    let length = 1;
    for (const { key, value } of map.items) {
      const name = nameOf(key);
      const made = plain(value, fieldNamed(name ?? ""), depth + 1);
      length += made.length + (name?.length ?? 0);
      if (length > mostBytes) return { value: null, length };
      if (isMergeKey(key)) {
        const sources = Array.isArray(made.value) ? (made.value as unknown[]) : [made.value];
        if (sources.every(isObject)) for (const source of sources) inherited.push(source);
        else refuse(value, "<< takes a map, or a list of maps.");
      } else if (name === undefined) refuse(key, "A key must be a plain name.");
      else if (own.has(name)) refuse(key, `${shown(name)} is written twice; keep one.`);
      else own.set(name, made.value);
    }
    return { value: Object.fromEntries([...inherited.toReversed().flatMap(Object.entries), ...own]), length };
  }

  function keep(node: unknown, name: string, made: Plain): void {
    anchors.set(name, made);
    anchored += made.length;
    if (anchors.size <= mostAnchors && anchored <= mostAnchored) return;
    mistakes.push({
      node,
      message: "The file has too many anchors: 1,000, or 8 MiB behind them, are the most.",
      isEnd: true,
    });
  }

  return {
    read(node) {
      mistakes = [];
      const { value } = plain(node, "", 0);
      return { value, mistakes };
    },
  };
}

function plainScalar({ value, source }: Scalar, field: string): Plain {
  const isText = typeof value === "number" && source !== undefined && textFields.includes(field);
  const meant = isText ? source : value;
  return { value: meant, length: (typeof meant === "string" ? meant.length : 8) + 1 };
}

/** The name that a key is; undefined where it is none. */
export const nameOf = (key: unknown): string | undefined =>
  !isScalar(key) || key.value === null ? undefined : typeof key.value === "string" ? key.value : key.source;

const isMergeKey = (key: unknown): boolean => isScalar(key) && key.value === "<<" && key.type === "PLAIN";

const noAnchor = (name: string): string =>
  `The alias ${shown(`*${name}`)} has no anchor before it; put a text that begins with * into quotes.`;
