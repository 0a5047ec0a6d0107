import type { Draft, RequestMemory } from "./ledger.ts";

/** Where single drafts go in. */
interface Door<Outcome> {
  enter(draft: Draft): Promise<Outcome>;
}

/** Others wait for whoever goes in, so there is an end to a group. */
const mostTogether = 100;

/**
 * Lets in together all that come in the same turn of the event loop: one step in Redis, and one in BullMQ, for all.
 * @param acceptAll one step
 */
export function openDoor<Outcome>(
  acceptAll: (drafts: readonly Draft[]) => Promise<readonly Promise<Outcome>[]>,
): Door<Outcome> {
  let waiting: { readonly draft: Draft; readonly settled: PromiseWithResolvers<Outcome> }[] = [];
  const memories = new Set<string>();

  function letIn(): void {
    const group = waiting;
    waiting = [];
    memories.clear();
    acceptAll(group.map(({ draft }) => draft)).then(
      (accepted) => group.forEach(({ settled }, index) => settled.resolve(accepted[index]!)),
      (error: unknown) => group.forEach(({ settled }) => settled.reject(error)),
    );
  }

  return {
    enter(draft) {
      const { memory } = draft;
      const name = memory && nameOf(memory);
      const isRepeat = memory?.way.kind === "itself" && memory.way.isRepeat;
      // One step looks for all of them before it writes any: what is to find another one must come after it.
      if (waiting.length > 0 && (isRepeat || (name !== undefined && memories.has(name)))) letIn();
      const settled = Promise.withResolvers<Outcome>();
      waiting.push({ draft, settled });
      if (name !== undefined) memories.add(name);
      if (isRepeat || waiting.length === mostTogether) letIn();
      else if (waiting.length === 1) setImmediate(() => waiting.length > 0 && letIn());
      return settled.promise;
    },
  };
}

const nameOf = ({ apiKey, way, fingerprint }: RequestMemory): string =>
  way.kind === "key" ? `${apiKey} key ${way.key}` : `${apiKey} itself ${fingerprint}`;
