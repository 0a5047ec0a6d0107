import type { BatchBody } from "@reelq/contract";
import { bar } from "./bar.ts";
import { icon } from "./icons.ts";
import { type Standing, standings } from "./standing.ts";
import { place } from "./top.ts";
import type { BatchWords } from "./words.ts";

/** What it was to cost and what it did. */
export function moneyPanel({ reelq }: BatchBody, { texts, spent, money }: BatchWords, below = ""): string {
  const against = reelq.budget === null ? "the estimate" : "the budget";
  const rows: readonly (readonly [key: string, name: string, meaning: string, swatch: boolean])[] = [
    ["estimated", "Estimated", "for all its clips", false],
    ["charged", "Charged", "spent for certain", true],
    ["unknown", "Not known", "counts as spent until somebody knows", true],
    ["reserved", "Reserved", "set aside for what is under way", true],
    ["budget", "Budget", "what it may spend", false],
    ["left", "Left", "of the budget", false],
  ];
  const shown = rows.filter(([key]) => key !== "left" || reelq.budget !== null);
  const missing =
    reelq.money.estimated === null
      ? '<p class="note">Nobody said what one of its models costs, so there is no estimate for the whole.</p>'
      : "";
  return `<section class="panel" aria-labelledby="money"><h2 id="money">Money</h2>
${bar("spent", `Of ${against}: ${money}`, spent)}
<table class="sums"><caption>Against ${against}, to the millionth of a dollar</caption><tbody>
${shown.map(([key, name, meaning, swatch]) => `<tr><th scope="row">${swatch ? `<i class="swatch s-${key}"></i>` : ""}${name} <small>${meaning}</small></th><td>${place(key, texts[key])}</td></tr>`).join("\n")}
</tbody></table>${missing}${below}</section>
`;
}

/** Clips by what became of them. @param counts what is said of each; what is left out of it is not shown */
export function clipsPanel(
  { clips, headline, texts }: BatchWords,
  counts: ReadonlyMap<Standing, string>,
  below = "",
): string {
  const rows = [...counts].map(([name, text]) => {
    const { word, icon: sign, meaning } = standings[name];
    return `<tr><th scope="row"><span class="state s-${name}">${icon(sign)}${word}</span> <small>${meaning}</small></th><td>${place(name, text)}</td></tr>`;
  });
  return `<section class="panel" aria-labelledby="clips"><h2 id="clips">Clips</h2>
${bar("clips", headline, clips)}
<table class="sums"><caption>By status</caption><tbody>
${rows.join("\n")}
</tbody><tfoot><tr><th scope="row">In all</th><td>${place("total", texts["total"])}</td></tr></tfoot></table>${below}</section>
`;
}
