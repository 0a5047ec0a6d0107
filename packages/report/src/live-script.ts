import { sayUsd } from "@reelq/contract";
import { script } from "./script.ts";
import { wordsSource } from "./words.ts";

/**
 * Follows the batch's events. The browser runs the server's own words by their source, so that what it writes is what
 * the server would have written.
 */
export const liveScript = `${script}
const microsPerUsd = 1000000;
const sayUsd = ${sayUsd.toString()};
${wordsSource}

const live = document.body.dataset;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: live.zone, day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const sayClock = (iso) => clock.format(new Date(iso));
const connection = document.querySelector("[data-connection]");

const drawBar = (name, shares, label) => {
  for (const bar of all('[data-bar="' + name + '"]')) {
    let x = 0;
    shares.forEach(([, percent], index) => {
      const part = bar.children[index];
      part.setAttribute("x", x);
      part.setAttribute("width", percent);
      x = Math.round((x + percent) * 100) / 100;
    });
    bar.setAttribute("aria-label", label);
  }
};

const write = (place, text) => {
  const target = place.querySelector("bdi") ?? place;
  if (target.textContent !== text) target.textContent = text;
};

const drawLanes = (lanes) => {
  const body = document.querySelector("[data-lanes]");
  const labels = body.dataset.lanes.split("|");
  body.closest("section").hidden = lanes.length === 0;
  body.replaceChildren(
    ...lanes.map((cells) => {
      const row = document.createElement("tr");
      row.append(
        ...cells.map((text, index) => {
          const cell = document.createElement(index === 0 ? "th" : "td");
          if (index === 0) cell.scope = "row";
          else cell.dataset.label = labels[index];
          if (index === 1 || index === 2) cell.className = "n";
          const isolated = document.createElement("bdi");
          isolated.textContent = text;
          cell.append(isolated);
          return cell;
        }),
      );
      return row;
    }),
  );
};

const show = (batch) => {
  const words = sayBatch(batch, { usd: sayUsd, clock: sayClock });
  const texts = { ...words.texts, headline: words.headline, money: words.money, state: words.state };
  for (const place of all("[data-w]")) write(place, texts[place.dataset.w] ?? "");
  for (const block of all("[data-if]")) block.hidden = !texts[block.dataset.if];
  for (const block of all("[data-over]")) block.hidden = (block.dataset.over === "yes") !== words.isOver;
  drawBar("clips", words.clips, words.headline);
  drawBar("spent", words.spent, words.money);
  drawLanes(words.lanes);
  document.title = words.title;
  return words.isOver;
};

// The clips come with the page: it is asked for again when some have moved, and not under somebody's hands.
let shown = live.moved;
let asked = 0;
const movedOf = ({ reelq: { counts } }) => [counts.total, counts.stored, counts.failed, counts.cancelled, counts.rendering, counts.in_doubt].join(" ");
const refresh = async (moved, isOver) => {
  const sheet = document.querySelector(".clips");
  const isBusy = sheet.querySelector("video, details[open]") || sheet.contains(document.activeElement);
  if (moved === shown || isBusy || (!isOver && Date.now() - asked < 10000)) return;
  asked = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    // Without its head: the nonce of its style is its own, and not this page's.
    const text = await answer.text();
    const page = new DOMParser().parseFromString(text.slice(text.indexOf("<body")), "text/html");
    const fresh = page.querySelector(".clips");
    if (!fresh) return;
    sheet.replaceChildren(...fresh.children);
    document.querySelector("[data-sheet-note]").textContent = page.querySelector("[data-sheet-note]").textContent;
    shown = moved;
  } catch {
    // The events say whether anybody is there.
  }
};

if (live.state === "live") {
  const events = new EventSource(live.events);
  events.addEventListener("open", () => (connection.textContent = "Live"));
  events.addEventListener("error", () => {
    connection.textContent = events.readyState === EventSource.CLOSED ? "No longer live: reload the page to go on" : "Not connected, trying again";
  });
  events.addEventListener("batch", (event) => {
    const batch = JSON.parse(event.data);
    const isOver = show(batch);
    connection.textContent = isOver ? "Over" : "Live";
    if (isOver) events.close();
    refresh(movedOf(batch), isOver);
  });
}
`;
