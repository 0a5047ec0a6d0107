import { type BatchBody, type ClipBody, isBatchOver, sayUsd } from "@reelq/contract";
import { several } from "./amount.ts";
import { bar } from "./bar.ts";
import { escaped, isolated, plain } from "./escape.ts";
import { icon, iconSheet } from "./icons.ts";
import { liveScript } from "./live-script.ts";
import { clipsPanel, moneyPanel } from "./panels.ts";
import { shapeOf } from "./shape.ts";
import { standingNames } from "./standing.ts";
import { style } from "./style.ts";
import { tile } from "./tile.ts";
import { place, top } from "./top.ts";
import { type BatchWords, sayBatch } from "./words.ts";
import { sayTime, zoneOf } from "./zone.ts";

export interface LivePageParts {
  readonly batch: BatchBody;
  /** Some of them: the first, or the latest. */
  readonly clips: readonly ClipBody[];
  /** Where its events come from (SSE: event `batch`, data a BatchBody), on the page's own server. */
  readonly eventsUrl: string;
  readonly reportUrl: string;
  /** What the page's policy lets scripts and styles carry: `livePolicy`. */
  readonly nonce: string;
  /** Where a clip's file plays; null: nowhere to be reached. Asked of clips that have one. */
  readonly fileUrl: (clip: ClipBody) => string | null;
  /** A small picture's address, on the page's own server or data:; no pictures where left out. */
  readonly thumbnailUrl?: (clip: ClipBody) => string | null;
}

/** The page of a batch while it runs: whole as it comes, and up to date by itself where scripts run. */
export function livePage({ batch, clips, eventsUrl, reportUrl, nonce, fileUrl, thumbnailUrl }: LivePageParts): string {
  const zone = zoneOf(batch);
  const words = sayBatch(batch, { usd: sayUsd, clock: (iso) => sayTime(iso, zone) });
  const isOver = isBatchOver(batch.reelq.state);
  const { counts } = batch.reelq;
  const moved = [counts.total, counts.stored, counts.failed, counts.cancelled, counts.rendering, counts.in_doubt];
  const tiles = clips.map((clip) =>
    tile(clip, {
      url: clip.file && fileUrl(clip),
      picture: (clip.file && thumbnailUrl?.(clip)) ?? null,
      leftOut: false,
      zone,
    }),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(plain(words.title))}</title>
<style nonce="${escaped(nonce)}">${style}</style>
${isOver ? "" : '<noscript><meta http-equiv="refresh" content="10"></noscript>'}
</head>
<body data-events="${escaped(eventsUrl)}" data-zone="${escaped(zone)}" data-state="${isOver ? "over" : "live"}" data-moved="${moved.join(" ")}">
${iconSheet}
${top(batch, words, "batch", `<span class="as-of">as of ${place("updated", words.texts["updated"])} ${escaped(zone)} · <span data-connection role="status">${isOver ? "Over" : "As it was when this page came"}</span></span>`)}
<main>
<div class="story">
${progress(words, reportUrl, isOver)}${stopPanel(words)}${moneyPanel(batch, words)}${clipsPanel(words, new Map(standingNames.map((name) => [name, words.texts[name] ?? ""])))}${lanesPanel(words)}</div>
<section class="sheet" aria-labelledby="sheet"><h2 id="sheet">Clips</h2>
<p class="note" data-sheet-note>${clips.length === 0 ? "None yet." : clips.length < counts.total ? `${several(clips.length, "clip")} of ${counts.total.toLocaleString("en-US")}; the report has them all.` : ""}</p>
<ol class="clips ${shapeOf(clips)}">
${tiles.join("")}</ol></section>
</main>
<footer class="bottom"><p><code>${escaped(batch.id)}</code> of the project ${isolated(batch.reelq.project)}</p></footer>
<script nonce="${escaped(nonce)}">${liveScript}</script>
</body>
</html>
`;
}

/** How far it is; the lines stay where they are, whether there is something to say in them or not. */
const progress = (words: BatchWords, reportUrl: string, isOver: boolean): string =>
  `<section class="panel wide progress" aria-labelledby="progress"><h2 id="progress" class="hush">Progress</h2>
<p class="percent">${place("percent", words.texts["percent"])}</p>
<div>${bar("clips", words.headline, words.clips)}
<p class="line">${place("forecast", words.texts["forecast"])}</p>
<p class="line note">${place("window", words.texts["window"])}</p>
<p class="line note">${place("looks", words.texts["looks"])} looks made, ${place("retries", words.texts["retries"])} setbacks survived</p></div>
<p><a class="button" href="${escaped(reportUrl)}"><span data-over="yes"${isOver ? "" : " hidden"}>Read the report</span><span data-over="no"${isOver ? " hidden" : ""}>The report so far</span></a></p>
</section>
`;

/** Why it sends nothing, and what goes on from here. */
const stopPanel = ({ texts }: BatchWords): string =>
  `<section class="panel wide needs" aria-labelledby="stop" data-if="reason"${texts["reason"] ? "" : " hidden"}><h2 id="stop">${icon("person")} Why it waits</h2>
<p>${place("reason", texts["reason"])}</p>
<p class="command" data-if="command"${texts["command"] ? "" : " hidden"}><code data-w="command">${escaped(texts["command"] ?? "")}</code><button type="button" data-copy hidden>Copy</button></p></section>
`;

function lanesPanel({ lanes }: BatchWords): string {
  const labels = ["Lane", "Waiting", "At work", "In its way"];
  const rows = lanes.map(
    ([name = "", ...cells]) =>
      `<tr><th scope="row">${isolated(name)}</th>${cells.map((text, index) => `<td data-label="${labels[index + 1]}"${index < 2 ? ' class="n"' : ""}>${isolated(text)}</td>`).join("")}</tr>`,
  );
  return `<section class="panel wide" aria-labelledby="lanes"${rows.length === 0 ? " hidden" : ""}><h2 id="lanes">Lanes</h2>
<table class="rows"><caption>By upstream and model; at work is what the lane renders for all</caption>
<thead><tr>${labels.map((label, index) => `<th scope="col"${index === 1 || index === 2 ? ' class="n"' : ""}>${label}</th>`).join("")}</tr></thead>
<tbody data-lanes="${labels.join("|")}">${rows.join("")}</tbody></table></section>
`;
}
