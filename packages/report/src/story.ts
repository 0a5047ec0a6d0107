import { type BatchBody, isBatchOver, type MicroUsd, sayUsd } from "@reelq/contract";
import { sayBytes, sayNumber, saySpan, several } from "./amount.ts";
import { beginning, escaped, isolated } from "./escape.ts";
import { icon } from "./icons.ts";
import { actorOf, type Need, needsOf, type Step } from "./needs.ts";
import { clipsPanel, moneyPanel } from "./panels.ts";
import { standingNames } from "./standing.ts";
import { medianOf, type Pointers, type Tally } from "./tally.ts";
import type { BatchWords } from "./words.ts";
import { sayTime } from "./zone.ts";

/** All that stands before the contact sheet and is known only after its last clip. */
export const story = (batch: BatchBody, tally: Tally, words: BatchWords, zone: string): string =>
  [
    needsPanel(needsOf(batch, tally)),
    mistakesPanel(batch),
    moneyPanel(batch, words, moneyNotes(tally)),
    clipsPanel(words, countsOf(tally), clipNotes(tally)),
    reasonsPanel(tally),
    lanesPanel(batch, tally),
    coursePanel(batch, tally, words, zone),
  ].join("");

function needsPanel(needs: readonly Need[]): string {
  if (needs.length === 0)
    return `<section class="panel wide calm" aria-labelledby="needs"><h2 id="needs">What needs a person</h2><p>${icon("check")} Nothing.</p></section>
`;
  const items = needs.map(
    ({ title, why, steps, clips }) =>
      `<li><h3>${escaped(title)}</h3><p>${isolated(why)}</p>${clips ? pointers(clips) : ""}${steps.length > 0 ? `<ul class="steps">${steps.map(step).join("")}</ul>` : ""}</li>`,
  );
  return `<section class="panel wide needs" aria-labelledby="needs"><h2 id="needs">${icon("person")} What needs a person</h2>
<ol>${items.join("\n")}</ol></section>
`;
}

/** A command that can be marked with one click, and copied with one where scripts run. */
const step = ({ when, command }: Step): string =>
  `<li><span class="when">${isolated(when)}</span><span class="command"><code>${escaped(command)}</code><button type="button" data-copy hidden>Copy</button></span></li>`;

function pointers({ count, first }: Pointers): string {
  const shown = first.slice(0, 12);
  const links = shown.map(
    ({ number, customId, take }) =>
      `<a href="#clip-${number}">${isolated(beginning(customId, 40))}${take > 1 ? ` (${take})` : ""}</a>`,
  );
  const more = count > shown.length ? ` and ${sayNumber(count - shown.length)} more` : "";
  return `<p class="links">${links.join(", ")}${more}</p>`;
}

function mistakesPanel({ errors }: BatchBody): string {
  if (!errors?.data.length) return "";
  const rows = errors.data.map(
    ({ line, param, message }) =>
      `<tr><td data-label="Line">${line ?? "–"}</td><td data-label="Field">${param === null ? "–" : `<code>${isolated(param)}</code>`}</td><td data-label="What is wrong">${isolated(message)}</td></tr>`,
  );
  return `<section class="panel wide" aria-labelledby="mistakes"><h2 id="mistakes">What is wrong with the manifest</h2>
<table class="rows"><caption>${several(errors.data.length, "mistake")}${errors.data.length >= 1_000 ? "; there may be more" : ""}</caption>
<thead><tr><th scope="col">Line</th><th scope="col">Field</th><th scope="col">What is wrong</th></tr></thead><tbody>
${rows.join("\n")}
</tbody></table></section>
`;
}

function moneyNotes({ reused, shared, spared }: Tally): string {
  if (reused + shared === 0) return "";
  const saved = spared === undefined || spared === 0 ? "" : ` ${sayUsd(spared)} was not spent again.`;
  return `<p class="note">${icon("again")} ${several(reused + shared, "clip")} did not have to be rendered here.${saved}</p>`;
}

const countsOf = ({ standings }: Tally): ReadonlyMap<(typeof standingNames)[number], string> =>
  new Map(
    standingNames.flatMap((name) => {
      const count = standings.get(name) ?? 0;
      return count > 0 || name === "stored" || name === "failed" ? [[name, sayNumber(count)] as const] : [];
    }),
  );

function clipNotes({ reused, shared, storedBytes, storedMs, different, waiting }: Tally): string {
  const notes = [
    ...(reused > 0 ? [`${several(reused, "clip")} reused: rendered before, by another batch.`] : []),
    ...(shared > 0
      ? [`${several(shared, "clip")} shared: another batch has ${shared === 1 ? "it" : "them"} rendered.`]
      : []),
    ...(storedBytes > 0 ? [`${saySpan(storedMs)} of video in ${sayBytes(storedBytes)}, verified.`] : []),
    ...[...waiting].map(
      ([why, count]) => `${several(count, "clip")} wait${count === 1 ? "s" : ""}: ${why.replaceAll("_", " ")}.`,
    ),
  ];
  const differing = different.count > 0 ? `<p class="note">Other than asked for: ${pointers(different)}</p>` : "";
  return notes.map((note) => `<p class="note">${escaped(note)}</p>`).join("") + differing;
}

function reasonsPanel({ reasons }: Tally): string {
  const sorted = [...reasons.values()].toSorted((one, other) => other.count - one.count);
  if (sorted.length === 0) return "";
  const rows = sorted.map(
    (reason) => `<tr><th scope="row">${escaped(reason.class.replaceAll("_", " "))}</th>
<td data-label="Clips" class="n">${sayNumber(reason.count)}</td>
<td data-label="Meaning">${isolated(reason.meaning)}</td>
<td data-label="Who can act">${actorOf(reason.class)}</td>
<td data-label="Cost" class="n">${cost(reason.charged, reason.unknown)}</td>
<td data-label="For example"><q>${isolated(beginning(reason.example, 300))}</q></td></tr>`,
  );
  return `<section class="panel wide" aria-labelledby="reasons"><h2 id="reasons">Why clips failed</h2>
<table class="rows"><caption>Failures by class; waived ones are not counted</caption>
<thead><tr><th scope="col">Class</th><th scope="col" class="n">Clips</th><th scope="col">Meaning</th><th scope="col">Who can act</th><th scope="col" class="n">Cost</th><th scope="col">For example</th></tr></thead><tbody>
${rows.join("\n")}
</tbody></table></section>
`;
}

function cost(charged: MicroUsd, unknown: MicroUsd): string {
  if (unknown === 0) return sayUsd(charged);
  return charged === 0 ? `${sayUsd(unknown)} not known` : `${sayUsd(charged)}, ${sayUsd(unknown)} not known`;
}

/** What it was, when things happened, and what was survived on the way. */
function coursePanel(batch: BatchBody, tally: Tally, { texts }: BatchWords, zone: string): string {
  const { reelq } = batch;
  const { firstSentAt, lastStoredAt } = tally;
  const renderMs = [...tally.lanes.values()].reduce(
    (sum, lane) => sum + lane.renderMs.reduce((one, ms) => one + ms, 0),
    0,
  );
  const endedAt = batch.completed_at ?? batch.expired_at ?? batch.cancelled_at ?? batch.failed_at;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Asked for", time(batch.created_at * 1_000, zone)],
    ["First sent", firstSentAt === undefined ? "never" : time(firstSentAt, zone)],
    [
      "Last stored",
      lastStoredAt === undefined ? (isBatchOver(reelq.state) ? "nothing" : "nothing yet") : time(lastStoredAt, zone),
    ],
    ["Ended", endedAt === null ? undefined : time(endedAt * 1_000, zone)],
    [
      "It took",
      firstSentAt === undefined || lastStoredAt === undefined ? undefined : saySpan(lastStoredAt - firstSentAt),
    ],
    ["Rendering", renderMs > 0 ? `${saySpan(renderMs)}, laid end to end` : undefined],
    ["Window", texts["window"] ? isolated(texts["window"]) : "none: it may send at any time"],
    ["Canary", texts["canary"] || undefined],
    ["Forecast", texts["forecast"] ? isolated(texts["forecast"]) : undefined],
    ["Project", isolated(reelq.project)],
    ["Looks", reelq.looks > 0 ? `${several(reelq.looks, "look")} at the upstream, all made for you` : undefined],
    [
      "Survived",
      reelq.retries > 0
        ? `${several(reelq.retries, "setback")} that became neither a failure nor a second payment`
        : undefined,
    ],
    [
      "Retried",
      tally.replaced > 0 ? `${several(tally.replaced, "video")} replaced by a retry with another prompt` : undefined,
    ],
  ];
  return `<section class="panel wide" aria-labelledby="course"><h2 id="course">Course</h2>
<dl class="course">${rows.flatMap(([name, value]) => (value === undefined ? [] : [`<div><dt>${name}</dt><dd>${value}</dd></div>`])).join("")}</dl>
<p class="note">Times are ${escaped(zone)}.</p></section>
`;
}

const time = (ms: number, zone: string): string =>
  `<time datetime="${new Date(ms).toISOString()}">${sayTime(ms, zone)}</time>`;

/** By lane, and what the batch paid beside its clips, so that the sum is the batch's. */
function lanesPanel({ reelq: { money, lanes: uses, state } }: BatchBody, { lanes, replaced }: Tally): string {
  const rows = [...lanes].map(([name, lane]) => {
    const obstacle = uses.find((use) => use.lane === name)?.obstacle;
    const median = medianOf(lane.renderMs);
    return `<tr><th scope="row">${isolated(name)}${obstacle ? `<small>${isolated(obstacle)}</small>` : ""}</th>
<td data-label="Clips" class="n">${sayNumber(lane.clips)}</td>
<td data-label="Stored" class="n">${sayNumber(lane.stored)}</td>
<td data-label="Failed" class="n">${sayNumber(lane.failed)}</td>
<td data-label="Median render" class="n">${median === undefined ? "–" : saySpan(median)}</td>
<td data-label="Cost" class="n">${cost(lane.charged, lane.unknown)}</td></tr>`;
  });
  const [charged, unknown] = [...lanes.values()].reduce(
    ([one, other], lane) => [one + lane.charged, other + lane.unknown],
    [0, 0],
  );
  const beside = [money.charged - charged, money.unknown - unknown] as const;
  const balance =
    isBatchOver(state) && (beside[0] > 0 || beside[1] > 0)
      ? `<tr><th scope="row">${replaced > 0 ? "Replaced videos" : "Not on a clip above"}</th><td colspan="4"></td><td data-label="Cost" class="n">${cost(beside[0], beside[1])}</td></tr>`
      : "";
  if (rows.length === 0) return "";
  return `<section class="panel wide" aria-labelledby="lanes"><h2 id="lanes">Lanes</h2>
<table class="rows"><caption>What this batch had rendered, by upstream and model</caption>
<thead><tr><th scope="col">Lane</th><th scope="col" class="n">Clips</th><th scope="col" class="n">Stored</th><th scope="col" class="n">Failed</th><th scope="col" class="n">Median render</th><th scope="col" class="n">Cost</th></tr></thead><tbody>
${rows.join("\n")}${balance}
</tbody><tfoot><tr><th scope="row">In all</th><td colspan="4"></td><td data-label="Cost" class="n">${cost(money.charged, money.unknown)}</td></tr></tfoot></table></section>
`;
}
