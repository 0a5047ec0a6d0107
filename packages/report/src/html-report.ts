import { type BatchBody, type ClipBody, isBatchOver, sayUsd } from "@reelq/contract";
import { inChunks } from "./chunks.ts";
import { escaped, isolated, plain } from "./escape.ts";
import { filter } from "./filter.ts";
import { iconSheet } from "./icons.ts";
import { withPictures } from "./pictures.ts";
import { reportPolicy } from "./policy.ts";
import { script } from "./script.ts";
import { shaped } from "./shape.ts";
import { story } from "./story.ts";
import { style } from "./style.ts";
import { count, emptyTally } from "./tally.ts";
import { tile } from "./tile.ts";
import { top } from "./top.ts";
import { sayBatch } from "./words.ts";
import { sayTime, zoneOf } from "./zone.ts";

export interface ReportParts {
  readonly batch: BatchBody;
  /** In the manifest's order; read once, never held whole. */
  readonly clips: AsyncIterable<ClipBody>;
  /** Where a clip's file plays; null: nowhere to be reached. Asked of clips that have one. */
  readonly fileUrl: (clip: ClipBody) => string | null;
  /** A small picture as a data: URL; null: none. Asked for stored clips only, a few at a time. */
  readonly thumbnail: (clip: ClipBody) => Promise<string | null>;
  /** In ms since 1970. */
  readonly writtenAt: number;
}

/**
 * The report as one HTML file that asks nobody for anything, in pieces. Its clips are written as they come; what can
 * only be said after the last of them is written behind them, and stands before them by its slot.
 */
export const htmlReport = (parts: ReportParts): AsyncGenerator<string> => inChunks(pieces(parts));

/** With more tiles, those that are not on the screen are drawn when they come there. */
const few = 500;

async function* pieces({ batch, clips, fileUrl, thumbnail, writtenAt }: ReportParts): AsyncGenerator<string> {
  const zone = zoneOf(batch);
  const words = sayBatch(batch, { usd: sayUsd, clock: (iso) => sayTime(iso, zone) });
  const tally = emptyTally();
  const written = `${sayTime(writtenAt, zone)} ${zone}`;
  const isOver = isBatchOver(batch.reelq.state);
  const { shape, clips: all } = await shaped(clips);
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(reportPolicy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="reelq">
<title>${escaped(plain(`${batch.reelq.name}: ${words.headline}`))}</title>
<style>${style}</style>
</head>
<body>
${iconSheet}
${top(batch, words, isOver ? "report of a batch" : "report of a batch under way", isOver ? "" : `<span class="as-of">as of ${escaped(written)}</span>`)}
<main><template shadowrootmode="open"><slot name="story"></slot><slot></slot></template>
<section class="sheet" aria-labelledby="sheet"><template shadowrootmode="open"><slot name="filter"></slot><slot></slot></template>
<ol class="clips ${shape}${batch.reelq.counts.total > few ? " many" : ""}">
`;
  for await (const { clip, picture, leftOut } of withPictures(all, thumbnail)) {
    count(tally, clip);
    yield tile(clip, { url: clip.file && fileUrl(clip), picture, leftOut, zone });
  }
  yield `</ol>
${filter(tally)}
</section>
<div class="story" slot="story">
${story(batch, tally, words, zone)}</div>
</main>
<footer class="bottom"><p>Written ${escaped(written)} for <code>${escaped(batch.id)}</code>, made of ${isolated(batch.input_file_id)}. Amounts are exact.</p>
<p>This file is complete: it loads nothing but the videos you play.</p></footer>
<script>${script}</script>
</body>
</html>
`;
}
