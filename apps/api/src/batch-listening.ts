import type { IncomingMessage, ServerResponse } from "node:http";
import { type BatchBody, isBatchOver, problem, ProblemError } from "@reelq/contract";
import type { Batches, Caller, Keyring } from "@reelq/engine";

/** Each may be told some kilobytes a second. */
const mostListeners = 5_000;

/** Listeners to batches, over server-sent events. */
export interface BatchListening {
  /**
   * Tells the batch as it is, and again whenever something in it has changed, until it is over. Resolves once the
   * listener is gone.
   */
  listen(request: IncomingMessage, response: ServerResponse, batch: BatchBody, caller: Caller): Promise<void>;
  /** Ends every stream in order, so that its listener goes on elsewhere. */
  close(): void;
}

export interface BatchListeningParts {
  readonly batches: Pick<Batches, "read">;
  readonly keyring: Pick<Keyring, "holder">;
  /** A batch is looked at no more often, however many listen. */
  readonly lookMs?: number;
  /** A comment at such intervals keeps proxies from closing a connection on which nothing happens. */
  readonly heartbeatMs?: number;
  /** A listener that takes nothing for so long is gone. */
  readonly blockedMs?: number;
}

const headers = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no",
};

export function openBatchListening(parts: BatchListeningParts): BatchListening {
  const { batches, keyring, lookMs = 1_000, heartbeatMs = 15_000, blockedMs = 60_000 } = parts;
  const watches = new Map<string, Watch>();
  let isClosed = false;

  const listeners = (): Listener[] => [...watches.values()].flatMap((watch) => watch.listeners());

  async function beat(): Promise<void> {
    const apiKeys = [...new Set(listeners().map(({ caller }) => caller.key))];
    // Whether a key still is good cannot be told while Redis is away; until then it is.
    const holders = await Promise.all(apiKeys.map((id) => keyring.holder(id).catch(() => "unknown")));
    const gone = new Set(apiKeys.filter((_, index) => holders[index] === undefined));
    for (const one of listeners()) {
      if (gone.has(one.caller.key)) one.end();
      else one.beat();
    }
  }
  const timer = setInterval(() => void beat(), heartbeatMs);

  function watchOf(id: string): Watch {
    const watch =
      watches.get(id) ??
      openWatch({ read: (caller) => batches.read(id, caller), lookMs, unwatch: () => void watches.delete(id) });
    watches.set(id, watch);
    return watch;
  }

  return {
    async listen(request, response, batch, caller) {
      // 204 tells an EventSource not to ask again.
      if (isBatchOver(batch.reelq.state) && request.headers["last-event-id"] === idOf(batch))
        return void response.writeHead(204).end();
      if (request.method === "HEAD") return void response.writeHead(200, headers).end();
      if (response.destroyed || response.writableEnded) return;
      if (isClosed) throw problem("unavailable", "This API is about to stop; ask again in a moment.");
      if (listeners().length >= mostListeners)
        throw problem(
          "unavailable",
          `This API tells of batches to ${mostListeners} listeners already; try again later.`,
        );
      response.writeHead(200, headers);
      response.write("retry: 2000\n\n");
      await new Promise<void>((resolve) => {
        const listener = openListener(response, caller, blockedMs);
        const watch = watchOf(batch.id);
        response.on("close", () => {
          watch.leave(listener);
          resolve();
        });
        watch.join(listener, batch);
      });
    },

    close() {
      isClosed = true;
      clearInterval(timer);
      for (const one of listeners()) one.end();
    },
  };
}

interface Listener {
  readonly caller: Caller;
  /** Tells a frame; where the listener cannot take it yet, the newest one once it can. */
  tell(frame: string): void;
  beat(): void;
  /** Ends it after what it was told. */
  end(): void;
}

function openListener(response: ServerResponse, caller: Caller, blockedMs: number): Listener {
  let next: string | undefined;
  let blocked: NodeJS.Timeout | undefined;
  const write = (frame: string): void => {
    if (response.write(frame)) return;
    blocked ??= setTimeout(() => response.destroy(), blockedMs);
  };
  response.on("drain", () => {
    clearTimeout(blocked);
    blocked = undefined;
    const frame = next;
    next = undefined;
    if (frame !== undefined && !response.writableEnded) write(frame);
  });
  response.on("close", () => clearTimeout(blocked));
  return {
    caller,
    tell(frame) {
      if (response.writableEnded) return;
      if (response.writableNeedDrain) next = frame;
      else write(frame);
    },
    beat() {
      if (!response.writableEnded && !response.writableNeedDrain) response.write(": heartbeat\n\n");
    },
    end() {
      if (response.writableEnded) return;
      blocked ??= setTimeout(() => response.destroy(), blockedMs);
      response.end(next);
    },
  };
}

interface WatchParts {
  readonly read: (caller: Caller) => Promise<BatchBody>;
  readonly lookMs: number;
  /** Nobody listens any more. */
  readonly unwatch: () => void;
}

/** One batch, looked at for all who listen to it. */
interface Watch {
  listeners(): readonly Listener[];
  /** @param batch as it was read for this listener */
  join(listener: Listener, batch: BatchBody): void;
  leave(listener: Listener): void;
}

function openWatch({ read, lookMs, unwatch }: WatchParts): Watch {
  /** With what each was told last. */
  const listeners = new Map<Listener, string>();
  let timer: NodeJS.Timeout | undefined;

  /** Tells those who have not heard it. */
  function show(batch: BatchBody): void {
    const facts = factsOf(batch);
    const frame = frameOf(batch);
    for (const [one, told] of listeners) {
      if (told === facts) continue;
      listeners.set(one, facts);
      one.tell(frame);
      if (isBatchOver(batch.reelq.state)) one.end();
    }
  }

  async function look(): Promise<void> {
    const [first] = listeners.keys();
    if (!first) return;
    try {
      show(await read(first.caller));
    } catch (error) {
      // It is gone. Redis being away is no reason to leave: it may be back at the next look.
      if (error instanceof ProblemError) for (const one of listeners.keys()) one.end();
    }
    if (listeners.size > 0) lookLater();
  }

  function lookLater(): void {
    timer = setTimeout(() => void look(), lookMs);
  }

  return {
    listeners: () => [...listeners.keys()],
    join(listener, batch) {
      listeners.set(listener, factsOf(batch));
      listener.tell(frameOf(batch));
      if (isBatchOver(batch.reelq.state)) listener.end();
      if (timer === undefined) lookLater();
    },
    leave(listener) {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      clearTimeout(timer);
      unwatch();
    },
  };
}

/** What a listener is told of again where it differs: not when it was looked at. */
function factsOf({ reelq, ...batch }: BatchBody): string {
  const { updated_at: _updatedAt, forecast, ...facts } = reelq;
  return JSON.stringify({ ...batch, ...facts, forecast: forecast && { ...forecast, at: "" } });
}

const frameOf = (batch: BatchBody): string => {
  const id = isBatchOver(batch.reelq.state) ? `id: ${idOf(batch)}\n` : "";
  return `${id}event: batch\ndata: ${JSON.stringify(batch)}\n\n`;
};

/** Of the last state only: whoever asks again after it, and finds the same, need not ask any more. */
const idOf = ({ reelq }: BatchBody): string => `over-${Date.parse(reelq.updated_at)}`;
