import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as after } from "node:timers/promises";
import type { MicroUsd } from "@reelq/contract";
import type { Clock } from "@reelq/engine";
import { clip } from "../../apps/simulator/src/clips.ts";
import type { NightBill } from "./night-bill.ts";

/** What a model costs at an account, in millionths of a US dollar. */
type NightPrice = { readonly perClip: MicroUsd } | { readonly perSecond: MicroUsd };

export interface NightOptions {
  readonly clock: Clock;
  readonly bill: NightBill;
  /** What each account charges, by model; it serves no others. */
  readonly accounts: Readonly<Record<string, Readonly<Record<string, NightPrice>>>>;
  /** The share of prompts whose first render fails, and of those whose first POST is refused; the same ones each time. */
  readonly failing: number;
  readonly refusing: number;
  /** One of so many POSTs is answered with 429. */
  readonly throttleEvery: number;
  /** How long half of the renders take, by the machine's clock. */
  readonly renderMs: number;
}

/** Several accounts on one server, each under `/NAME/v1`. */
export interface NightUpstream {
  readonly url: (account: string) => string;
  /** From now on every POST is answered with 429, and with these seconds to wait; undefined: as usual. */
  crowd(retryAfterSeconds: number | undefined): void;
  /** The sha256 of a prompt's file, hex, for each task that was completed. */
  filesOf(prompt: string): readonly string[];
  close(): Promise<void>;
}

interface Task {
  readonly id: string;
  readonly account: string;
  readonly prompt: string;
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
  readonly createdAt: number;
  endedAt?: number;
  status: "queued" | "completed" | "failed";
}

/** From a POST's arrival until its answer. */
const answerMs = 15;

/** The longest render takes so many times as long as the shortest. */
const spread = 3;

/** A number in [0, 1) that a text always gets. */
const drawn = (text: string): number => createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;

export async function startNightUpstream(options: NightOptions): Promise<NightUpstream> {
  const { clock, bill, accounts, failing, refusing, throttleEvery, renderMs } = options;
  const tasks = new Map<string, Task>();
  const files = new Map<string, string[]>();
  const refusedOnce = new Set<string>();
  const failedOnce = new Set<string>();
  const renders = new Set<NodeJS.Timeout>();
  let posts = 0;
  let crowdedFor: number | undefined;

  async function create(
    account: string,
    worker: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const number = (posts += 1);
    const { prompt = "", model = "", seconds = "", size = "" } = await fieldsOf(request);
    const price = accounts[account]?.[model];
    const micros = price === undefined ? 0 : "perClip" in price ? price.perClip : price.perSecond * Number(seconds);
    const about = { account, worker, model, prompt, micros };
    bill.write({ kind: "asked", ...about });
    await after(answerMs);
    if (crowdedFor !== undefined || number % throttleEvery === 0) {
      bill.write({ kind: "throttled", ...about });
      const retryAfter = crowdedFor ?? 1;
      return say(response, 429, refusal("rate_limit_exceeded", "Rate limit reached."), {
        "retry-after": `${retryAfter}`,
      });
    }
    if (price === undefined || (!refusedOnce.has(prompt) && drawn(`refuse ${prompt}`) < refusing)) {
      refusedOnce.add(prompt);
      bill.write({ kind: "refused", ...about });
      return say(response, 400, refusal("invalid_value", "Nobody here renders that."));
    }
    const id = `${account}_${createHash("sha256").update(`${number}`).digest("hex").slice(0, 24)}`;
    const task: Task = {
      id,
      account,
      prompt,
      model,
      size,
      seconds: Number(seconds),
      status: "queued",
      createdAt: clock.now(),
    };
    tasks.set(id, task);
    bill.write({ kind: "began", ...about });
    const render = setTimeout(
      () => {
        renders.delete(render);
        const fails = !failedOnce.has(prompt) && drawn(`fail ${prompt}`) < failing;
        if (fails) failedOnce.add(prompt);
        task.status = fails ? "failed" : "completed";
        task.endedAt = clock.now();
        bill.write({ kind: fails ? "free" : "charged", ...about });
      },
      renderMs * spread ** (drawn(`last ${number}`) - 0.5),
    );
    renders.add(render);
    say(response, 200, body(task));
  }

  function list(account: string, { searchParams }: URL, response: ServerResponse): void {
    const limit = Number(searchParams.get("limit") ?? 20);
    const all = [...tasks.values()].filter((task) => task.account === account);
    if (searchParams.get("order") !== "asc") all.reverse();
    const from = all.findIndex(({ id }) => id === searchParams.get("after")) + 1;
    const page = all.slice(from, from + limit);
    say(response, 200, {
      object: "list",
      data: page.map(body),
      first_id: page.at(0)?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
      has_more: from + limit < all.length,
    });
  }

  async function content(task: Task, response: ServerResponse): Promise<void> {
    if (task.status !== "completed") return say(response, 404, refusal("not_ready", "There is no file."));
    const file = Buffer.concat([await clip(task.size, task.seconds), signature(task)]);
    const sha256 = createHash("sha256").update(file).digest("hex");
    const known = files.get(task.prompt) ?? [];
    if (!known.includes(sha256)) files.set(task.prompt, [...known, sha256]);
    response.writeHead(200, { "content-type": "video/mp4", "content-length": file.length });
    response.end(file);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://night");
    const [, account = "", , , id, what] = url.pathname.split("/");
    const [, owner, worker = ""] = /^Bearer key-of-([a-z]+)(?:-(.+))?$/.exec(request.headers.authorization ?? "") ?? [];
    if (owner !== account) return say(response, 401, refusal("invalid_api_key", "Nobody knows that key."));
    if (id === undefined)
      return request.method === "POST" ? create(account, worker, request, response) : list(account, url, response);
    const task = tasks.get(decodeURIComponent(id));
    if (!task || task.account !== account) return say(response, 404, refusal("not_found", "There is no such video."));
    if (what === "content") return content(task, response);
    say(response, 200, body(task));
  }

  const server = createServer((request, response) => {
    // Whoever is killed cuts its connections.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: (account) => `http://127.0.0.1:${port}/${account}/v1`,
    crowd: (seconds) => void (crowdedFor = seconds),
    filesOf: (prompt) => files.get(prompt) ?? [],

    close() {
      for (const render of renders) clearTimeout(render);
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function fieldsOf(request: IncomingMessage): Promise<Readonly<Record<string, string>>> {
  const bytes = await buffer(request);
  const type = request.headers["content-type"] ?? "";
  if (type.startsWith("application/json")) return JSON.parse(bytes.toString()) as Record<string, string>;
  const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": type } }).formData();
  return Object.fromEntries([...form].flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])));
}

const unix = (ms: number): number => Math.floor(ms / 1_000);

/** A day from its end on, a file is kept. */
const keptSeconds = 86_400;

const body = ({ id, status, createdAt, endedAt, model, seconds, size, prompt }: Task): object => ({
  id,
  object: "video",
  status,
  model,
  seconds: `${seconds}`,
  size,
  prompt,
  created_at: unix(createdAt),
  completed_at: endedAt === undefined ? null : unix(endedAt),
  expires_at: endedAt === undefined ? null : unix(endedAt) + keptSeconds,
  progress: status === "completed" ? 100 : 0,
  error: status === "failed" ? { code: "internal", message: "The renderer ran out of memory." } : null,
});

const refusal = (code: string, message: string): object => ({ error: { code, message, type: "error" } });

function say(
  response: ServerResponse,
  status: number,
  json: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(json));
}

/** An MP4 box that players skip: it makes each task's file one of a kind. */
function signature({ id, prompt }: Task): Buffer {
  const payload = Buffer.from(JSON.stringify({ id, prompt }));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + payload.length, 0);
  head.write("free", 4, "latin1");
  return Buffer.concat([head, payload]);
}
