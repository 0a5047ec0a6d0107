import { isBatchOver, sayUsd, spentOf } from "@reelq/contract";
import type { BatchBody } from "@reelq/sdk";
import { shorten } from "../terminal.ts";
import { moneyText, nameOf, restOf } from "./batch-line.ts";
import { clockText } from "./clock.ts";
import { durationText, untilText } from "./duration.ts";
import type { News } from "./news.ts";

export interface PictureParts {
  readonly batch: BatchBody;
  /** The oldest first. */
  readonly news: readonly News[];
  /** What is not the batch's and must be seen: that the API is away. */
  readonly notice: string | undefined;
  readonly page: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface PictureSize {
  readonly columns: number;
  readonly rows: number;
}

const widestBar = 60;
const moneyBarWidth = 20;

/** News get so many lines at least, however many lanes there are. */
const linesForNews = 4;

/** A batch at a glance, in lines that fit a screen; where it is low, what matters least is left out. */
export function pictureOf(parts: PictureParts, { columns, rows }: PictureSize): string[] {
  const { batch, news, notice, page } = parts;
  const head = [
    titleLine(parts),
    barLine(batch, columns),
    ...(notice === undefined ? [] : [notice]),
    ...reasonLines(batch),
    countsLine(batch),
    moneyLine(batch),
    ...windowLines(parts),
    ...forecastLines(batch),
  ].flatMap((line) => wrapped(line, columns));
  const foot = isBatchOver(batch.reelq.state) ? [] : footLines(page, columns);
  // The last row is the cursor's.
  const room = Math.max(1, rows - 1);
  const below = Math.max(0, room - head.length - foot.length);
  const lanes = laneLines(batch, below - Math.min(news.length, linesForNews));
  const newsRoom = below - lanes.length;
  const latest = newsRoom > 0 ? news.slice(-newsRoom) : [];
  const shown = latest.map(({ at, text }) => `${clockText(at)}  ${shorten(text, 500)}`);
  return [...head, ...lanes, ...shown, ...foot].slice(0, room).map((line) => cut(line, columns));
}

function footLines(page: string, columns: number): string[] {
  const hint = "Ctrl-C leaves it running";
  const line = `${page}   ${hint}`;
  return line.length <= columns ? [line] : [page, hint];
}

function titleLine({ batch, now }: PictureParts): string {
  const { state } = batch.reelq;
  const age = durationText(now / 1000 - batch.created_at);
  return `${nameOf(batch, 60)}: ${state}${isBatchOver(state) ? "" : `, ${age}`}`;
}

/** Full: stored. Half: on its way. Light: waits. A cross: failed. A dash: given up. */
function barLine(batch: BatchBody, columns: number): string {
  const { counts, state } = batch.reelq;
  if (state === "validating") return "The manifest is being judged.";
  const share = counts.total === 0 ? 1 : (counts.stored + counts.failed + counts.cancelled) / counts.total;
  const words = `${Math.floor(share * 100)} %  ${counts.stored} of ${counts.total} stored`;
  const width = Math.max(10, Math.min(widestBar, columns - words.length - 3));
  const underWay = counts.submitting + counts.in_doubt + counts.rendering + counts.downloading;
  const parts: [number, string][] = [
    [counts.stored, "█"],
    [underWay, "▓"],
    [counts.queued, "░"],
    [counts.failed, "×"],
    [counts.cancelled, "-"],
  ];
  return `${segments(parts, width)}  ${words}`;
}

/** Shares of a width; whatever is there at all gets a character. */
function segments(parts: readonly [number, string][], width: number): string {
  const present = parts.filter(([count]) => count > 0);
  const total = present.reduce((sum, [count]) => sum + count, 0);
  if (total === 0) return "░".repeat(width);
  const cells = present.map(([count]) => Math.max(1, Math.floor((count / total) * width)));
  // What rounding left over, or took too much, is the largest one's.
  const largest = cells.indexOf(Math.max(...cells));
  cells[largest] = Math.max(1, (cells[largest] ?? 0) + width - cells.reduce((sum, cell) => sum + cell, 0));
  return present.map(([, glyph], index) => glyph.repeat(cells[index] ?? 0)).join("");
}

function countsLine(batch: BatchBody): string {
  const { counts } = batch.reelq;
  const reused = counts.reused > 0 ? [`${counts.reused} rendered before`] : [];
  const parts = [...restOf(batch), ...reused];
  return row("clips", parts.length === 0 ? "all stored" : parts.join(", "));
}

function moneyLine(batch: BatchBody): string {
  const { money, budget } = batch.reelq;
  if (budget === null) {
    const estimated = money.estimated === null ? "" : `, ${sayUsd(money.estimated)} estimated`;
    return row("money", `${moneyText(batch)}${estimated}`);
  }
  const spent = spentOf(money);
  const full = budget === 0 ? moneyBarWidth : Math.min(moneyBarWidth, Math.floor((spent / budget) * moneyBarWidth));
  const bar = `${"█".repeat(full)}${"░".repeat(moneyBarWidth - full)}`;
  return row("money", `${bar}  ${sayUsd(spent)} of ${sayUsd(budget)}: ${moneyText(batch)}`);
}

function windowLines({ batch, now }: PictureParts): string[] {
  const { window, state } = batch.reelq;
  if (!window || isBatchOver(state)) return [];
  const text = shorten(window.text, 120);
  if (window.is_open) return [row("window", `${text}: open, closes in ${untilText(window.closes_at, now)}`)];
  const opens = window.opens_at === null ? "" : `, opens in ${untilText(window.opens_at, now)}`;
  return [row("window", `${text}: closed${opens}`)];
}

function forecastLines({ reelq: { forecast, state, canary } }: BatchBody): string[] {
  return [
    ...(canary?.state === "running" ? [row("canary", `the rest waits until ${canary.count} files are verified`)] : []),
    ...(forecast && state !== "paused" && !isBatchOver(state) ? [row("ends", shorten(forecast.sentence, 500))] : []),
  ];
}

function reasonLines({ reelq: { reason } }: BatchBody): string[] {
  if (!reason) return [];
  const command = reason.command === null ? [] : [row("go on", shorten(reason.command, 300))];
  return [row("why", shorten(reason.message, 500)), ...command];
}

/** The lanes with the most to do first; how many more there are, where not all fit. */
function laneLines({ reelq: { lanes, state } }: BatchBody, room: number): string[] {
  if (isBatchOver(state) || room <= 0) return [];
  const busy = lanes
    .filter((lane) => lane.waiting > 0 || lane.in_flight > 0)
    .toSorted((one, other) => other.waiting - one.waiting);
  const shown = busy.slice(0, busy.length > room ? room - 1 : room);
  const names = shown.map(({ lane }) => shorten(lane, 32));
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = shown.map((lane, index) => {
    const places =
      lane.places === null ? `${lane.in_flight} in flight` : `${lane.in_flight} of ${lane.places} in flight`;
    const obstacle = lane.obstacle === null ? "" : `; ${shorten(lane.obstacle, 200)}`;
    return row("lane", `${(names[index] ?? "").padEnd(width)}  ${places}, ${lane.waiting} waiting${obstacle}`);
  });
  const hidden = busy.length - shown.length;
  return hidden > 0 ? [...lines, row("", `and ${hidden} more lanes`)].slice(0, room) : lines;
}

const row = (name: string, text: string): string => `${name.padEnd(6)}  ${text}`;

/** Under the text of a row. */
const hanging = " ".repeat(8);

/** In lines that are no longer than that, where its words let them. */
function wrapped(line: string, columns: number): string[] {
  const lines: string[] = [];
  // Spaces stay with the word that they follow: some of them line things up.
  for (const word of line.match(/\S+\s*/g) ?? []) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (last.length + word.trimEnd().length <= columns) lines[lines.length - 1] = last + word;
    else lines.push(hanging + word);
  }
  return lines.map((one) => one.trimEnd());
}

function cut(line: string, columns: number): string {
  const characters = [...line];
  return characters.length > columns ? `${characters.slice(0, Math.max(0, columns - 1)).join("")}…` : line;
}
