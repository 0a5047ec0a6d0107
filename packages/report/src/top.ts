import type { BatchBody } from "@reelq/contract";
import { isolated } from "./escape.ts";
import type { BatchWords } from "./words.ts";

/** A place whose text the live page keeps up to date. */
export const place = (name: string, text: string | undefined): string =>
  `<span data-w="${name}">${isolated(text ?? "")}</span>`;

/** The sentence that says it all, and what it is about. */
export const top = (batch: BatchBody, words: BatchWords, kind: string, asOf: string): string => `<header class="top">
<p class="kind"><b>reelq</b> ${kind}</p>
<h1>${place("headline", words.headline)}</h1>
<p class="money">${place("money", words.money)}</p>
<p class="about">${isolated(batch.reelq.name)} <span class="state-word">${place("state", words.state)}</span> ${asOf}</p>
</header>
`;
