import { present } from "./present.ts";
import type { WireTask } from "./upstream.ts";

const longest = 300;

/** Takes the key out of a server's words, should the server repeat it. */
export type Hush = (text: string) => string;

export function hushing(key: string | undefined): Hush {
  const secrets = secretForms(key);
  return (text) => {
    const hushed = secrets.reduce((words, secret) => words.replaceAll(secret, "[key]"), text.toWellFormed());
    return hushed.replace(/\bbearer\s+(?!\[key\])[\w.~+/=-]{8,}/gi, "Bearer [key]");
  };
}

/** Makes a server's words fit to be shown: one short line without the key. */
export type PlainWords = (text: string) => string;

// Cut last: half of a key is a leak too.
export const plainWords =
  (hush: Hush): PlainWords =>
  (text) =>
    shortened(
      hush(text)
        .replace(/[\s\p{Cc}\p{Cf}]+/gu, " ")
        .trim(),
    );

const secretForms = (key: string | undefined): readonly string[] =>
  // A key of a letter or two guards nothing, and leaving it out would garble every sentence.
  key === undefined || key.length < 4
    ? []
    : [...new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])];

const shortened = (text: string): string =>
  text.length > longest ? `${text.slice(0, longest - 1).toWellFormed()}…` : text;

/** The task with its server's sentences made plain; its prompt stays as it is, but for halves of characters. */
export function plainTask(task: WireTask, plain: PlainWords): WireTask {
  const { word, model, size, prompt, error } = task;
  const words = {
    model: model === undefined ? undefined : plain(model),
    size: size === undefined ? undefined : plain(size),
    prompt: prompt?.toWellFormed(),
    error: error && {
      ...present({ code: error.code === undefined ? undefined : plain(error.code) }),
      message: plain(error.message),
    },
  };
  return { ...task, word: plain(word), ...present(words) };
}
