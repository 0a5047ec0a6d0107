import { DAY, type Dice, SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { type Answer, cancelled, conclude, type Conclusion } from "./conclude.ts";
import type { Deliveries } from "./deliveries.ts";
import { type Delivery, digest } from "./delivery.ts";
import { endpointOf, isEndpointId } from "./endpoint.ts";
import { openPause } from "./pause.ts";
import { type Signing, signedHeaders } from "./signature.ts";
import { signingOfKey } from "./signing-of-key.ts";
import { within } from "../within.ts";

/** Sends one webhook. What it rejects with has a message that the address's owner may read. */
export type Send = (
  url: string,
  options: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly status: number; readonly retryAfterMs?: number }>;

export interface CourierParts {
  readonly engine: Engine;
  readonly deliveries: Deliveries;
  readonly send: Send;
  readonly dice: Dice;
  readonly timeoutMs: number;
  /** A worker that gave no sign of life for so long is taken for dead, and what it was sending is sent by another. */
  readonly leaseMs: number;
  /** Whatever was not heard of is found within this time. */
  readonly passEveryMs: number;
}

export interface Courier {
  wake(): void;
  /** Takes nothing more, waits at most so long for what is being sent, and gives the rest back. */
  stop(deadlineMs: number): Promise<void>;
}

/** Targets looked at in one pass. */
const pageLength = 100;

/** Where Redis answers as fast as it is asked, this keeps a mistake of ours from asking without end. */
const shortestPauseMs = 5;

/** A `send` that does not keep to its time loses its claim after so long. */
const graceMs = 5_000;

const goneForMs = 2 * DAY;

interface Load {
  readonly id: string;
  readonly target: string;
  /** By this process's own clock. */
  readonly since: number;
  readonly done: Promise<void>;
}

/**
 * Sends what is due. Each target has places of its own and nothing else is limited, so one that is slow holds up
 * nobody but itself.
 */
export function startCourier(parts: CourierParts): Courier {
  const { engine, deliveries, leaseMs, passEveryMs, timeoutMs } = parts;
  const { facts, clock } = engine;
  const loads = new Set<Load>();
  const stopping = new AbortController();
  const pause = openPause();

  async function run(): Promise<void> {
    while (!pause.isOver()) {
      const waitMs = await pass().catch((error: Error) => {
        facts.emit("hiccup", { where: "webhooks", error });
        return passEveryMs;
      });
      await pause.wait(waitMs);
    }
  }

  /** @returns how long there is nothing more to do, in ms */
  async function pass(): Promise<number> {
    const schedule = await deliveries.schedule(pageLength);
    const now = clock.now();
    const due = schedule.filter(({ at }) => at <= now);
    await Promise.all(due.map(({ target }) => take(target)));
    // What was taken has changed the schedule.
    if (due.length > 0) return shortestPauseMs;
    const next = schedule[0]?.at ?? Infinity;
    return Math.min(passEveryMs, Math.max(shortestPauseMs, next - now));
  }

  async function take(target: string): Promise<void> {
    for (const id of await deliveries.claim(target, leaseMs)) {
      const work = carry(target, id, parts, stopping.signal)
        .catch((error: Error) => facts.emit("hiccup", { where: "webhooks", error }))
        .then(() => {
          loads.delete(load);
          pause.wake();
        });
      const load: Load = { id, target, since: performance.now(), done: work };
      loads.add(load);
    }
  }

  async function renew(holdMs: number): Promise<void> {
    const held = [...loads].filter(({ since }) => performance.now() - since < timeoutMs + graceMs);
    const targets = Map.groupBy(held, ({ target }) => target);
    await Promise.all(
      [...targets].map(([target, some]) =>
        deliveries.renew(
          target,
          some.map(({ id }) => id),
          holdMs,
        ),
      ),
    );
  }
  const renewing = setInterval(() => {
    renew(leaseMs).catch((error: Error) => facts.emit("hiccup", { where: "webhooks", error }));
  }, leaseMs / 3);

  const running = run();
  return {
    wake: pause.wake,
    async stop(deadlineMs) {
      pause.end();
      await within(
        deadlineMs,
        running.then(() => Promise.all([...loads].map(({ done }) => done))),
      );
      stopping.abort();
      clearInterval(renewing);
      await within(
        SECOND,
        renew(0).catch(() => undefined),
      );
    },
  };
}

/** Where a delivery goes now. */
interface Destination {
  readonly url: string;
  readonly signing: Signing;
}

/** Sends one delivery that is claimed, and writes what became of it. */
async function carry(target: string, id: string, parts: CourierParts, stopping: AbortSignal): Promise<void> {
  const { engine, deliveries, dice } = parts;
  const { clock } = engine;
  const delivery = await deliveries.read(id);
  if (!delivery) return deliveries.forget(target, id);
  const destination = await destinationOf(delivery, engine);
  if (!destination) return settle(delivery, cancelled(delivery), null, "", parts);
  const answer = await ask(delivery, destination, parts, stopping);
  // It was cut off by ourselves, which says nothing of the target.
  if (answer.status === null && stopping.aborted) return;
  if (answer.status === 410 && delivery.address) await remember(delivery, engine);
  await settle(delivery, conclude(delivery, answer, Math.floor(clock.now()), dice), answer, destination.url, parts);
}

/** Undefined where nothing is sent to it any more. */
async function destinationOf(delivery: Delivery, engine: Engine): Promise<Destination | undefined> {
  const { redis, keys } = engine;
  const { target, address, createdAt } = delivery;
  if (isEndpointId(target)) {
    const endpoint = endpointOf(target, await redis.hgetall(keys.webhookEndpoint(target)));
    return endpoint?.enabled ? endpoint : undefined;
  }
  if (!address) return undefined;
  const gone = await redis.get(goneKey(delivery, engine));
  if (gone !== null && Number(gone) >= createdAt) return undefined;
  return { url: address.url, signing: await signingOfKey(address.key, engine) };
}

/** What is pending for an address that is gone ends when its turn comes. */
async function remember(delivery: Delivery, engine: Engine): Promise<void> {
  await engine.redis.set(goneKey(delivery, engine), Math.floor(engine.clock.now()), "PX", goneForMs);
}

const goneKey = ({ target, address }: Delivery, { keys }: Engine): string =>
  keys.webhookGone(target, digest(address?.url ?? "", 24));

async function ask(
  { event, payload }: Delivery,
  { url, signing }: Destination,
  { engine, send, timeoutMs }: CourierParts,
  stopping: AbortSignal,
): Promise<Answer> {
  const headers = signedHeaders(event, payload, signing, engine.clock.now());
  const startedAt = performance.now();
  const ms = () => Math.round(performance.now() - startedAt);
  try {
    const { status, retryAfterMs } = await send(url, { headers, body: payload, timeoutMs, signal: stopping });
    return { status, retryAfterMs, ms: ms() };
  } catch (error) {
    return { status: null, ms: ms(), error: (error as Error).message };
  }
}

async function settle(
  delivery: Delivery,
  conclusion: Conclusion,
  answer: Answer | null,
  url: string,
  { engine: { facts }, deliveries }: CourierParts,
): Promise<void> {
  const disabled = await deliveries.settle(delivery, conclusion, url);
  if (disabled === false) return;
  const { id, target, subject, event, type, project } = delivery;
  facts.emit("webhookTried", {
    delivery: id,
    target,
    subject,
    event,
    type,
    status: conclusion.status,
    answer: answer?.status ?? null,
    ms: answer?.ms ?? 0,
    error: answer ? (conclusion.tries.at(-1)?.error ?? null) : null,
    nextAt: conclusion.nextAt ?? null,
  });
  if (disabled) facts.emit("webhookDisabled", { endpoint: target, project, reason: disabled });
}
