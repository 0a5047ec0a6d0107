/**
 * What both pages do where scripts run: files play in their place, commands are copied, clips are searched. Without
 * it they are links, marked with one click, and found with the browser's own search.
 */
export const script = `"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

let putBack;
const play = (link) => {
  putBack?.();
  const frame = document.createElement("div");
  frame.className = "frame";
  const video = document.createElement("video");
  const picture = link.querySelector("img");
  Object.assign(video, { controls: true, autoplay: true, playsInline: true, loop: true });
  if (picture) video.poster = picture.src;
  video.setAttribute("aria-label", link.innerText.trim());
  video.addEventListener("error", () => {
    const note = document.createElement("span");
    note.className = "none";
    note.setAttribute("role", "alert");
    note.textContent = "This file does not play here. ";
    const way = Object.assign(document.createElement("a"), { href: link.href, target: "_blank", rel: "noreferrer", textContent: "Open it" });
    note.append(way);
    frame.append(note);
  });
  frame.append(video);
  link.replaceWith(frame);
  putBack = () => {
    video.pause();
    video.removeAttribute("src");
    video.load();
    frame.replaceWith(link);
    putBack = undefined;
  };
  video.src = link.href;
  video.focus();
};

const copy = async (button) => {
  const code = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    if (!document.execCommand("copy")) return;
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-play]");
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (link && isPlain) {
    event.preventDefault();
    play(link);
  }
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") putBack?.();
});
for (const button of all("[data-copy]")) button.hidden = false;

const field = document.getElementById("search");
if (field) {
  const hint = document.querySelector(".hint");
  const clips = all(".clip");
  const texts = new Map();
  const say = () => {
    // What the style hides; to ask each clip for its style would take minutes where there are thousands.
    const choice = document.querySelector("[name=show]:checked").id.slice("show-".length);
    const isChosen = ({ dataset }) => choice === "all" || dataset.s === choice || dataset.o === choice;
    const shown = clips.filter((clip) => !clip.classList.contains("miss") && isChosen(clip));
    hint.textContent = shown.length === clips.length ? "" : shown.length.toLocaleString("en-US") + " of " + clips.length.toLocaleString("en-US") + " shown";
  };
  const search = () => {
    const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
    for (const clip of clips) {
      if (words.length > 0 && !texts.has(clip)) texts.set(clip, clip.textContent.toLowerCase());
      clip.classList.toggle("miss", words.some((word) => !texts.get(clip).includes(word)));
    }
    say();
  };
  let pending;
  field.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(search, 120);
  });
  for (const choice of all("[name=show]")) choice.addEventListener("change", say);
  field.parentElement.hidden = false;
  say();
}
`;
