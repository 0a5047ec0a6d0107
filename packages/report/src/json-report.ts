import { inChunks } from "./chunks.ts";
import type { ReportParts } from "./html-report.ts";
import { summaryOf } from "./summary.ts";
import { count, emptyTally } from "./tally.ts";

/** One JSON document, in pieces: `batch`, `clips` as the API shows them with their file's `url`, and a `summary`. */
export const jsonReport = (parts: Pick<ReportParts, "batch" | "clips" | "fileUrl">): AsyncGenerator<string> =>
  inChunks(pieces(parts));

async function* pieces({ batch, clips, fileUrl }: Pick<ReportParts, "batch" | "clips" | "fileUrl">) {
  const tally = emptyTally();
  yield `{"batch":${JSON.stringify(batch)},\n"clips":[`;
  for await (const clip of clips) {
    const line = JSON.stringify({ ...clip, url: clip.file ? fileUrl(clip) : null });
    yield `${tally.clips > 0 ? "," : ""}\n${line}`;
    count(tally, clip);
  }
  yield `\n],\n"summary":${JSON.stringify(summaryOf(batch, tally))}}\n`;
}
