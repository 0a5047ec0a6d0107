import { defaultPrefix, prefixOption, type StageName, stageNames } from "@reelq/engine";
import { readCommandLine } from "@reelq/service";

export interface Arguments {
  readonly stages: readonly StageName[];
  /** Before every key in Redis. */
  readonly prefix: string;
  /** Set: prove the ledger's invariants instead of working. */
  readonly auditing: "look" | "mend" | undefined;
  /** Set: examine settings and neighbours instead of working, and say so for people or as JSON. */
  readonly examining: "page" | "json" | undefined;
}

const auditWords = ["look", "mend"];
const doctorWords = ["page", "json"];

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
    {
      name: "doctor",
      value: doctorWords.join("|"),
      help: "examine settings, Redis, storage and upstreams instead, and end",
      judge: refuseDoctor,
    },
    prefixOption,
  ]);
  return {
    stages: given["stages"] === undefined ? stageNames : (namesIn(given["stages"]) as StageName[]),
    prefix: given["prefix"] ?? defaultPrefix,
    auditing: given["audit"] as Arguments["auditing"],
    examining: given["doctor"] as Arguments["examining"],
  };
}

const namesIn = (text: string): string[] => text.split(",").map((name) => name.trim());

function refuseStages(text: string): string | undefined {
  const unknown = namesIn(text).find((name) => !(stageNames as readonly string[]).includes(name));
  return unknown === undefined ? undefined : `--stages: "${unknown}" is no stage; allowed: ${stageNames.join(", ")}.`;
}

const refuseAudit = (word: string): string | undefined =>
  auditWords.includes(word) ? undefined : `--audit: "${word}" must be ${auditWords.join(" or ")}.`;

const refuseDoctor = (word: string): string | undefined =>
  doctorWords.includes(word) ? undefined : `--doctor: "${word}" must be ${doctorWords.join(" or ")}.`;
