import { deadlineIn } from "./deadline.ts";
import { readFault } from "./error-body.ts";
import { type BodyForm, formMemory } from "./form-memory.ts";
import { mediaTypeOf, multipartBody } from "./multipart.ts";
import { outcomeOf } from "./outcome.ts";
import type { Reply } from "./reply.ts";
import { addressOf, headersFor, hear, type Server } from "./server.ts";
import type { CreateCall, CreateOutcome } from "./upstream.ts";
import { createFields } from "./wire.ts";

const maxReplyBytes = 1024 * 1024;

/** Sends the POST; remembers which form this server takes, apart for calls with and without an image. */
export function creator(server: Server): (call: CreateCall) => Promise<CreateOutcome> {
  const format = server.settings.createFormat;
  if (format !== "auto") return async (call) => (await post(server, call, formOf(call, format))).outcome;
  const withImage = formMemory();
  const withoutImage = formMemory();
  return async (call) => {
    const memory = call.reference ? withImage : withoutImage;
    const form = formOf(call, memory.form);
    const { outcome, isRefusedUnread } = await post(server, call, form);
    if (call.remixOf !== undefined) return outcome;
    if (isRefusedUnread && outcome.kind === "refused") return memory.refusedUnread(form, outcome);
    if (outcome.kind === "accepted") memory.accepted(form);
    if (outcome.kind === "refused") memory.read(form);
    return outcome;
  };
}

/** A remix is a prompt alone, which goes out as JSON. */
const formOf = (call: CreateCall, form: BodyForm): BodyForm => (call.remixOf === undefined ? form : "json");

interface Posted {
  readonly outcome: CreateOutcome;
  /** Refused because of the body's form: none of it was read. */
  readonly isRefusedUnread: boolean;
}

async function post(server: Server, call: CreateCall, form: BodyForm): Promise<Posted> {
  const { contentType, body } = bodyOf(call, form);
  const url =
    call.remixOf === undefined ? addressOf(server, "videos") : addressOf(server, "videos", call.remixOf, "remix");
  const headers = { ...headersFor(server, true), accept: "application/json", "content-type": contentType };
  const deadline = deadlineIn(server.settings.timeouts.totalMs);
  try {
    const sending = server.transport.post({ method: "POST", url, headers, body, signal: deadline.signal });
    const spoken = await hear(server, sending, maxReplyBytes);
    const outcome = outcomeOf(spoken, server.plain, server.settings.now());
    const isRefused = outcome.kind === "refused" && !outcome.moderated;
    return { outcome, isRefusedUnread: isRefused && spoken.kind === "replied" && saysUnread(spoken.reply, form) };
  } finally {
    deadline.clear();
  }
}

function bodyOf(call: CreateCall, form: BodyForm): { contentType: string; body: Uint8Array } {
  const { reference, remixOf } = call;
  if (remixOf !== undefined) return jsonBody({ prompt: call.prompt });
  if (form === "multipart")
    return multipartBody(createFields(call), reference && { name: "input_reference", ...reference });
  if (!reference) return jsonBody(createFields(call));
  const base64 = Buffer.from(reference.bytes).toString("base64");
  const image_url = `data:${mediaTypeOf(reference.contentType)};base64,${base64}`;
  return jsonBody({ ...createFields(call), input_reference: { image_url } });
}

const jsonBody = (value: object): { contentType: string; body: Uint8Array } => ({
  contentType: "application/json",
  body: Buffer.from(JSON.stringify(value)),
});

/** Whether a refusal is of the body's form. Asked of refusals alone: another reply may have created something. */
function saysUnread({ status, json, text }: Reply, form: BodyForm): boolean {
  if (status === 415) return true;
  if (status !== 400 && status !== 422) return false;
  const { codes, message } = readFault(json, text);
  const words = `${codes.join(" ")} ${message}`;
  return unreadable[form].test(words) || promptUnread.test(words);
}

// What frameworks say of a multipart body: "Invalid JSON", Go's "invalid character '-' in numeric literal", FastAPI's
// "body: Input should be a valid dictionary"; and SGLang, which takes multipart only for its file.
const unreadable: Readonly<Record<BodyForm, RegExp>> = {
  multipart:
    /\bjson\b|invalid character '-'|body: input should be|after minus sign|input_reference (file )?is required/i,
  json: /multipart|form[- ]data/i,
};

// The prompt is in every body, so a server that misses it could not read the body's form.
const promptUnread = /prompt['"]? is required|prompt: field required|required (parameter|field):? ['"]?prompt/i;
