import { sayNumber } from "./amount.ts";
import { icon } from "./icons.ts";
import { standingNames, standings } from "./standing.ts";
import type { Tally } from "./tally.ts";

/** Which clips of the sheet are shown. It works by its style alone; the search needs scripts. */
export function filter({ clips, standings: counts, reused, shared }: Tally): string {
  const present = standingNames.filter((name) => (counts.get(name) ?? 0) > 0);
  const chips = [
    chip("all", "all", clips, ""),
    ...present.map((name) => chip(name, standings[name].word, counts.get(name) ?? 0, icon(standings[name].icon))),
    ...(reused > 0 ? [chip("reused", "reused", reused, icon("again"))] : []),
    ...(shared > 0 ? [chip("shared", "shared", shared, icon("again"))] : []),
  ];
  return `<div class="filter" slot="filter"><style>${filterStyle}</style><h2 id="sheet">Contact sheet</h2>
${clips > 0 ? `<div class="tools"><fieldset><legend>Show</legend>${chips.join("")}</fieldset><label class="search" hidden>Search <input type="search" id="search" autocomplete="off" spellcheck="false"></label><p class="hint" role="status" aria-live="polite"></p></div>` : "<p>There are no clips.</p>"}
</div>`;
}

const chip = (name: string, word: string, count: number, sign: string): string =>
  `<label class="chip s-${name}"><input type="radio" name="show" id="show-${name}"${name === "all" ? " checked" : ""}>${sign}${word} <b>${sayNumber(count)}</b></label>`;

/**
 * What the radio buttons do. It comes behind the clips, and searches only the filter itself for the chosen one: a page
 * that is searched at each of its changes takes minutes to come where it has thousands of clips.
 */
export const filterStyle = [
  ...standingNames.map((name) => hiding(name, `[data-s="${name}"]`)),
  ...["reused", "shared"].map((name) => hiding(name, `[data-o="${name}"]`)),
].join("\n");

function hiding(name: string, kept: string): string {
  return `.clips:has(+ .filter #show-${name}:checked)>.clip:not(${kept}){display:none}`;
}
