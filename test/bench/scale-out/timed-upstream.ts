import { type InstantUpstream, instantUpstream } from "../frame/instant.ts";
import { renderMs, stuckModel } from "./flow.ts";

/** An instant upstream whose tasks say in their ids when they end, so that whichever process looks knows it. */
export async function timedUpstream(): Promise<InstantUpstream> {
  const instant = await instantUpstream();
  return {
    ...instant,
    async create(call) {
      const outcome = await instant.create(call);
      if (outcome.kind !== "accepted") return outcome;
      const lengthMs = renderMs.from + Math.random() * (renderMs.upTo - renderMs.from);
      const endsAt = call.model === stuckModel ? Number.MAX_SAFE_INTEGER : Math.round(Date.now() + lengthMs);
      return { ...outcome, task: { ...outcome.task, id: `${outcome.task.id}_${endsAt}` } };
    },
    retrieve(id) {
      instant.asked.looks += 1;
      const state = Date.now() >= Number(id.slice(id.lastIndexOf("_") + 1)) ? "completed" : "running";
      return Promise.resolve({ kind: "seen", task: { id, state, word: state, wordKnown: true } });
    },
  };
}
