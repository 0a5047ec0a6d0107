import { isBatchId } from "@reelq/contract";
import type { BatchBody, Reelq } from "@reelq/sdk";
import { wrongUsage } from "../exit.ts";
import { shorten } from "../terminal.ts";

/** What is said where a batch is named. */
export const whichBatch = "the batch's id, its name, or last";

/** So many of several batches of one name are shown. */
const mostShown = 5;

/** The id of the batch that a person means: an id, the name of exactly one batch, or `last`. */
export async function findBatch({ batches }: Reelq, which: string): Promise<string> {
  if (isBatchId(which)) return which;
  if (which === "last") {
    const { data } = await batches.list({ limit: 1 });
    if (!data[0]) throw wrongUsage("There is no batch yet.");
    return data[0].id;
  }
  const named: BatchBody[] = [];
  for await (const batch of batches.all({ limit: 100 })) {
    // One whose manifest was refused is none that anybody means.
    if (batch.reelq.name === which && batch.reelq.state !== "failed") named.push(batch);
  }
  const [first, ...others] = named;
  if (!first) {
    throw wrongUsage(
      `There is no batch ${JSON.stringify(shorten(which, 80))}: give an id, a name or last. \`reelq batch list\` shows which there are.`,
    );
  }
  if (others.length > 0)
    throw wrongUsage(`${named.length} batches have this name; give the id of one:\n${idsOf(named)}`);
  return first.id;
}

function idsOf(named: readonly BatchBody[]): string {
  const lines = named.slice(0, mostShown).map(({ id, created_at: createdAt, reelq }) => {
    return `  ${id}  ${new Date(createdAt * 1000).toISOString()}  ${reelq.state}`;
  });
  return [...lines, ...(named.length > mostShown ? [`  and ${named.length - mostShown} more`] : [])].join("\n");
}
