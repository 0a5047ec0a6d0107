import type { z } from "zod";
import { nearestName } from "./nearest.ts";
import { SettingsError } from "./settings-error.ts";
import type { Setting } from "./setting.ts";
import { settings } from "./settings.ts";

/** The environment as the process was given it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type Settings<Shape extends Record<string, Setting>> = {
  readonly [Name in keyof Shape]: z.output<Shape[Name]["schema"]>;
};

/** A rule between settings, judged where each of them is right by itself. Answers with what is wrong. */
export interface Relation<Shape extends Record<string, Setting>> {
  readonly between: readonly (keyof Shape)[];
  readonly judge: (settings: Settings<Shape>) => string | undefined;
}

export interface EnvironmentRules<Shape extends Record<string, Setting>> {
  readonly relations?: readonly Relation<Shape>[];
}

/**
 * Reads the settings of a process, once, at its start.
 * @throws {SettingsError} with every mistake: wrong values, missing ones, unknown names, broken relations
 */
export function readEnvironment<const Shape extends Record<string, Setting>>(
  shape: Shape,
  env: Environment,
  { relations = [] }: EnvironmentRules<Shape> = {},
): Settings<Shape> {
  const values: Record<string, unknown> = {};
  const wrong = new Map<keyof Shape, string>();
  for (const [name, setting] of Object.entries(shape)) {
    const reading = readSetting(setting, env);
    if ("mistake" in reading) wrong.set(name, reading.mistake);
    else values[name] = reading.value;
  }
  const all = values as Settings<Shape>;
  const broken = relations
    .filter(({ between }) => !between.some((name) => wrong.has(name)))
    .flatMap(({ judge }) => judge(all) ?? []);
  const mistakes = [...wrong.values(), ...broken, ...unknownNames(env, Object.values(shape).map(variableOf))];
  if (mistakes.length > 0) throw new SettingsError("the environment", mistakes);
  return all;
}

function readSetting(setting: Setting, env: Environment): { value: unknown } | { mistake: string } {
  const text = given(env, setting.variable);
  const result = setting.schema.safeParse(text);
  if (result.success) return { value: result.data };
  const { variable, allowed } = setting;
  if (text === undefined) return { mistake: `${variable} is not set; it must be ${allowed}.` };
  // A rule of ours says more than "it must be ...": which of several keys is too short, which part is missing.
  const own = result.error.issues.flatMap(({ code, message }) =>
    code === "custom" && message !== "Invalid input" ? message : [],
  );
  const why = own.length === 0 ? "" : `: ${own.join("; ")}`;
  return { mistake: `${variable} is ${shown(text, setting.secret)}${why}; it must be ${allowed}.` };
}

/** Empty counts as unset, and the line break at the end of a mounted secret is not part of it. */
function given(env: Environment, variable: string): string | undefined {
  const text = env[variable]?.trim();
  return text === "" ? undefined : text;
}

const LONGEST_SHOWN = 80;

function shown(text: string, secret = false): string {
  if (secret) return "set to a value that is not shown here";
  const safe = withoutSecrets(text);
  return JSON.stringify(safe.length > LONGEST_SHOWN ? `${safe.slice(0, LONGEST_SHOWN)}...` : safe);
}

/** Whatever stands before an @, or after a ? or a #, may be a password or a token, in a malformed URL as well. */
function withoutSecrets(text: string): string {
  // An @ behind a ? may be part of either: where the secret ends is not known.
  if (/[?#].*@/s.test(text)) return "***";
  return text.replace(/^.*@/s, "***@").replace(/([?#]).+$/s, "$1***");
}

const variableOf = ({ variable }: Setting): string => variable;

function unknownNames(env: Environment, own: readonly string[]): string[] {
  // What another of reelq's processes reads is not used here, but no mistake either.
  const known = new Set([...own, ...Object.values(settings).map(variableOf)]);
  const unknown = Object.keys(env).filter((name) => !known.has(name) && given(env, name) !== undefined);
  return unknown.flatMap((name) => {
    const isOurs = name.startsWith("REELQ_");
    const nearest = nearestName(name, isOurs ? known : own.filter((one) => isLikelyMeant(one, env)));
    if (nearest !== undefined) return `${name} is not a setting; did you mean ${nearest}?`;
    return isOurs ? `${name} is not a setting of reelq.` : [];
  });
}

/**
 * A foreign name counts as a slip only where the setting it is near to is missing, and only near to a name
 * long enough to be ours: `GHOST` is no mistyped `HOST`, and `AWS_ENDPOINT_URL_SQS` is somebody's.
 */
const isLikelyMeant = (variable: string, env: Environment): boolean =>
  variable.includes("_") && !variable.startsWith("AWS_") && given(env, variable) === undefined;
