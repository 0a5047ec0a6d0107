import { SECOND } from "@reelq/engine";
import { checkHealth } from "@reelq/service";

export interface Finding {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  /** What was found, without a full stop. */
  readonly found: string;
  /** What to do, in one sentence. */
  readonly advice?: string;
}

/** A finding as it is told; `ms`: how long the look took that brought it. */
export interface Check extends Omit<Finding, "advice"> {
  readonly advice: string | null;
  readonly ms: number;
}

/** One neighbour to be looked at. */
export interface Look {
  readonly name: string;
  /** What to do where nothing was found, because it failed or took too long. */
  readonly advice: string;
  readonly examine: (signal: AbortSignal) => Promise<readonly Finding[]>;
}

/** Longer than a slow neighbour takes, shorter than a person waits. */
const timeoutMs = 15 * SECOND;

/**
 * Looks once. What is thrown is a failure, and so is what takes longer than 15 s.
 * @param hush takes secrets out of what others said
 */
export async function make({ name, advice, examine }: Look, hush: (text: string) => string): Promise<readonly Check[]> {
  let findings: readonly Finding[] = [];
  const look = async (signal: AbortSignal) => {
    findings = await examine(signal);
  };
  const { checks } = await checkHealth({ look }, { timeoutMs });
  const { ok = false, detail = "", ms = 0 } = checks["look"] ?? {};
  const told: readonly Finding[] = ok ? findings : [{ name, state: "fail", found: withoutStop(detail), advice }];
  return told.map((finding) => ({
    name: finding.name,
    state: finding.state,
    found: hush(finding.found),
    advice: finding.advice === undefined ? null : hush(finding.advice),
    ms,
  }));
}

export const withoutStop = (sentence: string): string => sentence.trim().replace(/\.$/, "");
