import { type ClipBody, isFinal, sayUsd } from "@reelq/contract";
import { safeUrl } from "./address.ts";
import { sayBytes, saySpan } from "./amount.ts";
import { beginning, escaped, isolated, plain } from "./escape.ts";
import { icon } from "./icons.ts";
import { standingOf, standings } from "./standing.ts";
import { sayTime } from "./zone.ts";

/** What a tile shows beside its clip. */
export interface TileParts {
  /** Where its file plays; null: nowhere to be reached. */
  readonly url: string | null;
  /** An image's address; null: none. */
  readonly picture: string | null;
  /** There may be a picture, but no room for it. */
  readonly leftOut: boolean;
  readonly zone: string;
}

/** One clip of the contact sheet. */
export function tile(clip: ClipBody, parts: TileParts): string {
  const standing = standingOf(clip);
  const { word, icon: sign } = standings[standing];
  const origin = clip.origin === "new" ? "" : ` data-o="${clip.origin}"`;
  return `<li class="clip" id="clip-${clip.number}" data-s="${standing}"${origin}>
${frame(clip, parts)}
<h3>${isolated(clip.custom_id)}${clip.take > 1 ? ` <small>take ${clip.take}</small>` : ""}</h3>
<p class="state s-${standing}">${icon(sign)}${word}${originOf(clip)}</p>
${reason(clip)}<details><summary>${isolated(beginning(clip.prompt, 90))}</summary>${whole(clip, parts)}</details>
<p class="terms"><span>${clip.seconds} s</span> <span>${isolated(clip.size.replace("x", "×"))}</span> <span>${isolated(clip.model)}</span> <span>${price(clip)}</span></p>
</li>
`;
}

const originOf = ({ origin }: ClipBody): string =>
  origin === "new" ? "" : ` <span class="tag">${icon("again")}${origin}</span>`;

const origins = {
  new: null,
  reused: "reused: rendered before, by another batch",
  shared: "shared: another batch has it rendered",
} as const;

function frame(clip: ClipBody, { url: given, picture, leftOut }: TileParts): string {
  const url = safeUrl(given);
  const name = plain(clip.take > 1 ? `${clip.custom_id}, take ${clip.take}` : clip.custom_id);
  const inside =
    picture === null
      ? `${placeholder(clip)}${leftOut ? '<span class="none">no picture: this page would grow too big</span>' : ""}`
      : `<img src="${escaped(picture)}" alt="${escaped(`A picture of ${name}`)}" loading="lazy" decoding="async">`;
  if (url === null)
    return `<div class="frame">${inside}${clip.file ? '<span class="none">its file cannot be reached from here</span>' : ""}</div>`;
  return `<a class="frame" href="${escaped(url)}" target="_blank" rel="noreferrer" data-play>${inside}<span class="play">${icon("play")}<span class="hush">Play ${escaped(name)}</span></span></a>`;
}

/** The clip's shape, with the sign of its status in it. */
function placeholder(clip: ClipBody): string {
  const [width = 16, height = 9] = /^(\d{1,5})x(\d{1,5})$/.exec(clip.size)?.slice(1).map(Number) ?? [];
  const scale = 76 / Math.max(width, height, 1);
  const [w, h] = [Math.max(8, Math.round(width * scale)), Math.max(8, Math.round(height * scale))];
  const { icon: sign } = standings[standingOf(clip)];
  return `<svg class="shape" viewBox="0 0 100 100" aria-hidden="true"><rect x="${(100 - w) / 2}" y="${(100 - h) / 2}" width="${w}" height="${h}" rx="3"/><use href="#i-${sign}" x="41" y="41" width="18" height="18"/></svg>`;
}

const reason = ({ failure }: ClipBody): string =>
  failure
    ? `<p class="why"><b>${escaped(failure.class.replaceAll("_", " "))}</b>: ${isolated(beginning(failure.message, 160))}</p>`
    : "";

/** What it cost, or would. */
function price({ status, origin, money }: ClipBody): string {
  if (origin === "reused") return "nothing to pay";
  const parts = [
    ...(money.charged > 0 ? [sayUsd(money.charged)] : []),
    ...(money.unknown > 0 ? [`${sayUsd(money.unknown)} not known`] : []),
    ...(money.reserved > 0 ? [`${sayUsd(money.reserved)} reserved`] : []),
  ];
  if (parts.length > 0) return parts.join(", ");
  if (isFinal(status) && status !== "stored") return sayUsd(0);
  return money.estimated === null ? "no price known" : `about ${sayUsd(money.estimated)}`;
}

/** All of its prompt, and the facts that few ask for. */
function whole(clip: ClipBody, { zone }: TileParts): string {
  const { file, failure, waiting } = clip;
  const facts: readonly (readonly [string, string | null])[] = [
    ["Line", `${clip.line}, take ${clip.take}`],
    ["Origin", origins[clip.origin]],
    ["Video", clip.video_id],
    ["Remix of", clip.remix_of],
    ["Tags", clip.tags.length > 0 ? clip.tags.join(", ") : null],
    ["Lane", clip.lane],
    ["Waits", waiting && (waiting.detail ?? waiting.reason.replaceAll("_", " "))],
    ["Failure", failure && `${failure.message} (${failure.meaning})`],
    ["Attempts", clip.attempts > 0 ? String(clip.attempts) : null],
    ["Sent", clip.sent_at && sayTime(clip.sent_at, zone)],
    [
      "Rendered",
      clip.sent_at && clip.rendered_at && `in ${saySpan(Date.parse(clip.rendered_at) - Date.parse(clip.sent_at))}`,
    ],
    ["Ended", clip.ended_at && sayTime(clip.ended_at, zone)],
    ["Took the place of", clip.before.length > 0 ? clip.before.join(", ") : null],
    ["File", file && `${file.key} (${sayBytes(file.bytes)})`],
    ["SHA-256", file && file.sha256],
    ["Differs", file && file.differences.length > 0 ? file.differences.join(" ") : null],
  ];
  const rows = facts.flatMap(([name, value]) => (value ? [`<dt>${name}</dt><dd>${isolated(value)}</dd>`] : []));
  return `<p class="prompt" dir="auto">${escaped(clip.prompt)}</p><dl>${rows.join("")}</dl>`;
}
