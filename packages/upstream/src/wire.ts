import { z } from "zod";
import { readError, readId, readProgress, readSeconds, readText, readTime, readUrl } from "./field-values.ts";
import { fieldOf, isObject, type Json } from "./json.ts";
import { present } from "./present.ts";
import { readStatus } from "./status-words.ts";
import type { CreateCall, WireTask } from "./upstream.ts";

// What is said to and by the provider. What is sent is exact; what comes is taken in every form that a server is
// known to use, and a field that makes no sense is a field that was not said.

/** The fields of `POST /videos`, in the order of the seed document; an image goes beside them. */
export const createFields = (call: CreateCall): Readonly<Record<string, string>> => ({
  prompt: call.prompt,
  model: call.model,
  seconds: String(call.seconds),
  size: call.size,
});

const anyOf = <T>(read: (raw: unknown) => T | undefined) => z.unknown().optional().transform(read);

const taskFields = z.object({
  status: anyOf(readText),
  state: anyOf(readText),
  progress: anyOf(readProgress),
  created_at: anyOf(readTime),
  created: anyOf(readTime),
  completed_at: anyOf(readTime),
  expires_at: anyOf(readTime),
  model: anyOf(readText),
  seconds: anyOf(readSeconds),
  duration: anyOf(readSeconds),
  size: anyOf(readText),
  prompt: anyOf((raw) => (typeof raw === "string" ? raw : undefined)),
  error: anyOf(readError),
  // new-api keeps the address of a finished video here.
  fail_reason: anyOf(readError),
});

/**
 * The task in a reply, whatever it is wrapped in; undefined where no id is said.
 * @param assumedId the id asked for, for servers that do not repeat it: taken only where the rest is plainly a task
 */
export function readTask(json: unknown, assumedId?: string): WireTask | undefined {
  const said = unwrapped(json);
  if (!said) return undefined;
  const id = idOf(said) ?? (isPlainlyTask(said) ? assumedId : undefined);
  const fields = taskFields.safeParse(said).data;
  if (id === undefined || !fields) return undefined;
  const word = fields.status ?? fields.state ?? "";
  const status = readStatus(word);
  return present({
    id,
    ...status,
    word,
    progress: fields.progress,
    createdAt: fields.created_at ?? fields.created,
    completedAt: fields.completed_at,
    expiresAt: fields.expires_at,
    model: fields.model,
    seconds: fields.seconds ?? fields.duration,
    size: fields.size,
    prompt: fields.prompt,
    error: fields.error ?? (status.state === "failed" ? fields.fail_reason : undefined),
    contentUrl: readUrl(said, isStorableUrl)?.toWellFormed(),
  });
}

/**
 * Whether a reply is a task beyond mistaking: it has a known status and something else that only tasks have. An
 * error body may well hold an `id` (the request's) and a `status` ("error"), and must never be taken for a task.
 */
export function isTaskBeyondMistaking(json: unknown): boolean {
  const said = unwrapped(json);
  return said !== undefined && isPlainlyTask(said);
}

function isPlainlyTask(said: Json): boolean {
  const word = wordOf(said);
  if (word === undefined || !readStatus(word).wordKnown) return false;
  const kind = said["object"];
  return (
    (typeof kind === "string" && kind.startsWith("video")) ||
    taskMarks.some((mark) => said[mark] !== undefined && said[mark] !== null)
  );
}

const taskMarks = ["created_at", "completed_at", "expires_at", "progress", "model", "seconds", "size", "prompt"];

const wordOf = (said: Json): string | undefined => readText(said["status"]) ?? readText(said["state"]);

const idOf = (said: Json): string | undefined =>
  readId(said["id"]) ?? readId(said["task_id"]) ?? readId(said["video_id"]);

/** The object that speaks of the task: an envelope may have a `status` of its own, which is the call's. */
function unwrapped(json: unknown): Json | undefined {
  if (!isObject(json)) return undefined;
  const id = idOf(json);
  if (id !== undefined && wordOf(json) !== undefined) return json;
  for (const envelope of ["data", "video", "task"]) {
    const inner = fieldOf(json, envelope);
    if (!isObject(inner)) continue;
    if (idOf(inner) !== undefined) return inner;
    if (wordOf(inner) !== undefined) return id === undefined ? inner : { ...inner, id };
  }
  return json;
}

// The address is kept in the video's record: no bytes in a `data:` address, and nothing out of bounds.
const isStorableUrl = (url: string): boolean => url.length <= 8192 && /^(https?:\/\/|\/(?!\/))/i.test(url);
