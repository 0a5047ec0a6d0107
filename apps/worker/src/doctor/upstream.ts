import { type DoubtPolicy, MINUTE } from "@reelq/engine";
import type { Probe } from "@reelq/upstream";
import { type Finding, withoutStop } from "./check.ts";
import { apart, spell } from "./time.ts";

const mostSkewMs = 2 * MINUTE;

/**
 * What a probe means for reelq.
 * @param list what the configuration says of the upstream's list of tasks; `auto`: it shows
 */
export function judgeProbe(upstream: string, probe: Probe, list: boolean | "auto", doubtPolicy: DoubtPolicy): Finding {
  const name = `upstream ${upstream}`;
  switch (probe.kind) {
    case "ok":
      return { name, ...judgeAnswer(probe, list, doubtPolicy) };
    case "account":
      return {
        name,
        state: "fail",
        found: `the account is refused (${probe.code}): ${withoutStop(probe.message)}`,
        advice: "Mend its key, or pay: nothing passes until then.",
      };
    case "unreachable":
      return {
        name,
        state: "fail",
        found: withoutStop(probe.reason),
        advice: "Check its url and the network; if both are right, ask who runs it.",
      };
    case "strange":
      return {
        name,
        state: "fail",
        found: withoutStop(probe.reason),
        advice: "Check its url: it must go up to and with /v1 of a server that speaks /v1/videos.",
      };
  }
}

type Answer = Extract<Probe, { kind: "ok" }>;

function judgeAnswer(probe: Answer, list: boolean | "auto", doubtPolicy: DoubtPolicy): Omit<Finding, "name"> {
  const { ms, clockSkewMs } = probe;
  const said = `it answers in ${spell(ms)}; ${tellList(probe, list, doubtPolicy)}`;
  if (clockSkewMs !== undefined && Math.abs(clockSkewMs) > mostSkewMs)
    return {
      state: "warn",
      found: `${said}; ${apart(clockSkewMs)}`,
      advice: "Set our clock by NTP; if ours is right, expect doubts to be held: lists are matched by time.",
    };
  if (list === true && !probe.list)
    return {
      state: "warn",
      found: said,
      advice: "Take capabilities.list: true out, unless the server has a list and only failed to show it now.",
    };
  return { state: "ok", found: said };
}

function tellList(probe: Answer, list: boolean | "auto", doubtPolicy: DoubtPolicy): string {
  const unsettled = doubtPolicy === "hold" ? "held for a person" : "sent again, by REELQ_IN_DOUBT";
  if (list === false) return `its list of tasks is not used, by its capabilities: a doubt is ${unsettled}`;
  if (probe.list) return "it lists its tasks, so that doubts can be settled";
  if (list === true)
    return `its capabilities say that it lists its tasks, and it did not (${withoutStop(probe.detail)})`;
  return `it shows no list of tasks, so a doubt is ${unsettled} (${withoutStop(probe.detail)})`;
}
