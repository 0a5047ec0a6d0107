import { basename } from "node:path";
import {
  type BatchChange,
  type BatchOptions,
  capStyles,
  priorityRange,
  readUsd,
  sourcePolicies,
  windowEnds,
} from "@reelq/contract";
import { type Command, InvalidArgumentError, Option } from "commander";

/** What may be changed while a batch runs, as options. */
export interface ChangeOptions {
  readonly budget?: string;
  readonly atBudget?: (typeof capStyles)[number];
  readonly window?: string;
  readonly atWindowEnd?: (typeof windowEnds)[number];
  readonly priority?: number;
  readonly weight?: number;
  readonly stopAfterFailures?: number;
  readonly stopAfterUsd?: string;
  readonly onSourceFailure?: (typeof sourcePolicies)[number];
}

/** What takes a thing away. The parser's own null would become an empty text. */
const noneWord = "none";

const orNull = (text: string | undefined): string | null | undefined => (text === noneWord ? null : text);

/** @param mayBeNone whether `none` takes it away */
export function addChangeOptions(command: Command, mayBeNone: boolean): Command {
  const none = mayBeNone ? "; none takes it away" : "";
  const orNone =
    (read: (text: string) => string) =>
    (text: string): string =>
      mayBeNone && text === noneWord ? noneWord : read(text);
  return command
    .option("--budget <usd>", `what it may spend, like 25 or 12.50${none}`, orNone(usd))
    .addOption(
      new Option(
        "--at-budget <style>",
        "finish: what is paid finishes, the rest waits; cancel: the rest is cancelled",
      ).choices(capStyles),
    )
    .option(
      "--window <text>",
      `when it may send, like "22:00-06:30 Europe/Berlin"${none}`,
      orNone((text) => text),
    )
    .addOption(
      new Option(
        "--at-window-end <style>",
        "carry: the rest waits for the next window; expire: it is given up",
      ).choices(windowEnds),
    )
    .option(
      "--priority <n>",
      `${priorityRange.least} to ${priorityRange.most}; among batches the higher goes first`,
      whole,
    )
    .option("--weight <w>", "its share among batches of the same priority and project", amount)
    .option("--stop-after-failures <n>", "failures of one class in a row that pause it; 0 for none", whole)
    .option("--stop-after-usd <usd>", `money spent without a stored file that pauses it${none}`, orNone(usd))
    .addOption(
      new Option("--on-source-failure <policy>", "what becomes of a clip whose remix_of failed").choices(
        sourcePolicies,
      ),
    );
}

/** What was said, in the API's words; what was not said is left out. */
export function changeOf(options: ChangeOptions): BatchChange {
  return given({
    budget_usd: orNull(options.budget),
    at_budget: options.atBudget,
    window: orNull(options.window),
    at_window_end: options.atWindowEnd,
    priority: options.priority,
    weight: options.weight,
    stop_after_failures: options.stopAfterFailures,
    stop_after_usd: orNull(options.stopAfterUsd),
    on_source_failure: options.onSourceFailure,
  });
}

/** What a new batch may be given, as options. */
export interface ManifestOptions extends ChangeOptions {
  readonly name?: string;
  readonly canary?: number;
  readonly again?: boolean;
  readonly model?: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly takes?: string;
  readonly tag?: readonly string[];
}

export function addManifestOptions(command: Command): Command {
  return addChangeOptions(command, false)
    .option("--canary <n>", "send so many clips first, and the rest once their files are verified", whole)
    .option("--name <name>", "what people call it (default: the file's name)")
    .option("--again", "render also what is stored already")
    .optionsGroup("For every line that does not say it itself:")
    .option("-m, --model <name>", "the model")
    .option("-s, --seconds <n>", "clip length in seconds")
    .option("--size <WxH>", "pixels")
    .option("--takes <n>", "so many variants of each line")
    .option("--tag <tag>", "a tag; may be given more than once", addTag)
    .optionsGroup("Options:");
}

/** @param filename of the manifest */
export function batchOptionsOf(options: ManifestOptions, filename: string): BatchOptions {
  const { model, seconds, size, takes, tag } = options;
  const defaults = given({ model, seconds, size, takes, tags: tag });
  return given({
    ...changeOf(options),
    name: options.name ?? basename(filename),
    canary: options.canary,
    again: options.again,
    defaults: Object.keys(defaults).length > 0 ? defaults : undefined,
  });
}

const addTag = (tag: string, tags: readonly string[] | undefined): readonly string[] => [...(tags ?? []), tag];

/** Without what is undefined. */
function given<Fields extends object>(fields: Fields): { [Name in keyof Fields]: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Fields]: Exclude<Fields[Name], undefined> };
}

function usd(text: string): string {
  if (readUsd(text) === undefined) throw new InvalidArgumentError("Write US dollars, like 25 or 12.50.");
  return text;
}

function whole(text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new InvalidArgumentError("Write a whole number, like 2.");
  return Number(text);
}

function amount(text: string): number {
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text)) throw new InvalidArgumentError("Write a number, like 1 or 2.5.");
  return Number(text);
}
