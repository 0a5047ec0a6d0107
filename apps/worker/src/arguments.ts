import { defaultPrefix, prefixOption, type StageName, stageNames } from "@reelq/engine";
import { readCommandLine } from "@reelq/service";

export interface Arguments {
  readonly stages: readonly StageName[];
  /** Before every key in Redis. */
  readonly prefix: string;
  /** Set: prove the ledger's invariants instead of working. */
  readonly auditing: "look" | "mend" | undefined;
}

const auditWords = ["look", "mend"];

/**
 * What the worker was started with.
 * @throws SettingsError with every mistake
 */
export function readArguments(): Arguments {
  const about = "Runs the stages: sends queued videos, looks at renders, stores files.";
  const given = readCommandLine(about, [
    { name: "stages", value: stageNames.join(","), help: "only these; all where left out", judge: refuseStages },
    {
      name: "audit",
      value: auditWords.join("|"),
      help: "prove the ledger's invariants instead, and end",
      judge: refuseAudit,
    },
    prefixOption,
  ]);
  return {
    stages: given["stages"] === undefined ? stageNames : (namesIn(given["stages"]) as StageName[]),
    prefix: given["prefix"] ?? defaultPrefix,
    auditing: given["audit"] as Arguments["auditing"],
  };
}

const namesIn = (text: string): string[] => text.split(",").map((name) => name.trim());

function refuseStages(text: string): string | undefined {
  const unknown = namesIn(text).find((name) => !(stageNames as readonly string[]).includes(name));
  return unknown === undefined ? undefined : `--stages: "${unknown}" is no stage; allowed: ${stageNames.join(", ")}.`;
}

const refuseAudit = (word: string): string | undefined =>
  auditWords.includes(word) ? undefined : `--audit: "${word}" must be ${auditWords.join(" or ")}.`;
