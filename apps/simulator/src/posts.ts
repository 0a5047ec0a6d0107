import type { Request } from "express";
import type { ReceivedBody, ReceivedFile } from "./body.ts";
import type { FaultKind } from "./faults.ts";

const maxShownLength = 1000;

/** A POST under /v1 as it was received, and what became of it. Headers without the key, which stands beside them. */
export interface Post {
  readonly number: number;
  /** ISO 8601. */
  readonly at: string;
  readonly path: string;
  readonly key: string;
  readonly contentType: string | null;
  readonly headers: Readonly<Record<string, string>>;
  prompt: string | null;
  fields: Readonly<Record<string, unknown>>;
  file: ReceivedFile | null;
  /** The HTTP status, null where there was none, and the fault that struck. */
  answered: { readonly status: number | null; readonly fault: FaultKind | null } | null;
  /** The id of the task that it made. */
  task: string | null;
}

/** Headers that every client sends and no test asks for: 100,000 records are kept in memory. */
const dull = new Set(["authorization", "host", "connection", "content-type", "content-length", "accept-encoding"]);

export class PostBook {
  #posts: Post[] = [];

  open(request: Request, key: string, now: number): Post {
    const post: Post = {
      number: this.#posts.length + 1,
      at: new Date(now).toISOString(),
      path: request.originalUrl,
      key,
      contentType: request.headers["content-type"] ?? null,
      headers: tellingHeaders(request),
      prompt: null,
      fields: {},
      file: null,
      answered: null,
      task: null,
    };
    this.#posts.push(post);
    return post;
  }

  all(): readonly Post[] {
    return this.#posts;
  }

  clear(): void {
    this.#posts = [];
  }
}

/** Writes down the body; the prompt stands beside the other fields, so it is not held twice. */
export function noteBody(post: Post, { fields, file }: ReceivedBody): void {
  const { prompt, ...others } = fields;
  post.prompt = typeof prompt === "string" ? prompt : null;
  post.fields = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, short(value)]));
  post.file = file;
}

/** The post as `/_sim/posts` shows it, with the prompt among the fields again. */
export const postBody = (post: Post): Post => ({
  ...post,
  fields: post.prompt === null ? post.fields : { prompt: post.prompt, ...post.fields },
});

const short = (value: unknown): unknown =>
  typeof value === "string" && value.length > maxShownLength ? `${value.slice(0, maxShownLength)}…` : value;

function tellingHeaders(request: Request): Record<string, string> {
  const telling: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (!dull.has(name) && value !== undefined) telling[name] = String(value);
  return telling;
}
