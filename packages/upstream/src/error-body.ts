import { STATUS_CODES } from "node:http";
import { readText } from "./field-values.ts";
import { fieldOf, isObject } from "./json.ts";

/** What an error reply says, in whatever shape. */
export interface Fault {
  /** The server's own code; undefined where it gave none. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  /** Every code and type in the body, lower case, the nearest first. */
  readonly codes: readonly string[];
}

/** Reads `{error:{message,type,code}}`, `{error:""}`, `{errors:[]}`, `{detail}`, `{code,message}`, HTML and plain text. */
export function readFault(body: unknown, text: string): Fault {
  const error = errorIn(body);
  const inner = fieldOf(error, "innererror");
  const codes = [error, inner, body].flatMap((place) =>
    ["code", "type"].flatMap((name) => readText(fieldOf(place, name)) ?? []),
  );
  return {
    code: codes[0],
    message:
      messageIn(error) ??
      messageIn(body) ??
      readDetail(fieldOf(body, "detail")) ??
      (isObject(body) ? undefined : readPage(text)),
    codes: codes.map((code) => code.toLowerCase()),
  };
}

/** The error of a body; where one holds another, as a gateway's that passes on its server's, the inner one. */
function errorIn(body: unknown): unknown {
  const detail = fieldOf(body, "detail");
  const error = fieldOf(body, "error") ?? firstOf(fieldOf(body, "errors")) ?? (isObject(detail) ? detail : undefined);
  return fieldOf(error, "error") ?? error;
}

/** `HTTP 502 Bad Gateway`, and the server's words where it said any. */
export function describe(status: number, fault: Fault): string {
  const name = STATUS_CODES[status];
  const line = name === undefined ? `HTTP ${status}` : `HTTP ${status} ${name}`;
  const words = [fault.code, fault.message].filter((word) => word !== undefined && word !== name);
  return words.length > 0 ? `${line}: ${words.join(": ")}` : line;
}

const firstOf = (list: unknown): unknown => (Array.isArray(list) ? (list as unknown[])[0] : undefined);

function messageIn(place: unknown): string | undefined {
  if (typeof place === "string") return readText(place);
  return ["message", "msg", "error_message", "description", "error_description"]
    .map((name) => readText(fieldOf(place, name)))
    .find((message) => message !== undefined);
}

/** FastAPI's `detail`: a sentence, an object, or a list of `{loc, msg}`. */
function readDetail(detail: unknown): string | undefined {
  if (!Array.isArray(detail)) return messageIn(detail);
  const parts = (detail as unknown[]).map((item) => {
    const where = fieldOf(item, "loc");
    const message = messageIn(item);
    if (message === undefined || !Array.isArray(where)) return message;
    return `${where.flatMap((part) => readText(part) ?? []).join(".")}: ${message}`;
  });
  return readText(parts.filter((part) => part !== undefined).join("; "));
}

/** The title of an HTML page, else the words of the text; its beginning says enough. */
function readPage(text: string): string | undefined {
  const beginning = text.slice(0, 4096);
  const title = /<title[^>]*>([^<]*)<\/title/i.exec(beginning)?.[1];
  return readText(title) ?? readText(beginning.replace(/<(style|script)[^>]*>[^]*?<\/\1>|<[^>]*>/gi, " "));
}
