import { isFinal, spentOf, type Status, type VideoId } from "@reelq/contract";
import { cancelledFree } from "../cancelled.ts";
import { readMoney, scopes } from "../money.ts";
import type { HeldBack } from "../obstacle.ts";
import { stretchOf } from "./gate.ts";
import type { Keeping } from "./keeping.ts";
import { hasNews } from "./news.ts";
import { requestOfShared } from "./replacing.ts";
import { heldPool } from "./pool.ts";
import { type BatchRecord, leftOf } from "./record.ts";
import { sayPenniless } from "./release.ts";

/** So many clips are cancelled in a round. */
const cancelledAtOnce = 200;

/** Gives up the rest of a batch whose window has closed for good; remembers when the next one does. */
export async function watchWindow(batch: BatchRecord, { engine, store }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  const now = clock.now();
  const stretch = stretchOf(batch, now);
  if (!stretch || batch.atWindowEnd !== "expire") return;
  const closedAt = batch.windowClosesAt;
  if (closedAt !== undefined && now >= closedAt && batch.counts.queued > 0) {
    await store.turn(batch, ["running", "paused"], "cancelling", {
      set: [
        "ending",
        "expired",
        "reason",
        "window",
        "why",
        `Its window ${batch.window ?? ""} has closed, and ${batch.counts.queued} clips were not sent.`,
        "since",
        now,
      ],
    });
  } else if (closedAt !== stretch.closesAt && (closedAt === undefined || now >= closedAt)) {
    await redis.hset(keys.batch(batch.id), "windowClosesAt", stretch.closesAt);
  }
}

/** Shares of the budget that somebody should hear of, in percent. */
const toldShares = [80, 50] as const;

/** Tells of budgets that run out, pauses what may spend nothing more, and lets it go on where money came back. */
export async function watchBudget(
  batch: BatchRecord,
  penniless: ReadonlyMap<string, HeldBack & { readonly kind: "budget" }>,
  { engine, store }: Keeping,
): Promise<void> {
  const { redis, keys, clock } = engine;
  const now = clock.now();
  const by = penniless.get(batch.id);
  const key = keys.batch(batch.id);
  if (by && batch.state === "running") {
    const set = ["reason", "budget", "why", sayPenniless(by), "since", now, "toldBudget", 100];
    if (batch.atBudget === "cancel")
      await store.turn(batch, ["running"], "cancelling", {
        event: "batch.budget_100",
        set: [...set, "ending", "cancelled"],
      });
    else await store.turn(batch, ["running"], "paused", { event: "batch.budget_100", set });
    return;
  }
  if (!by && batch.state === "paused" && batch.reason === "budget" && batch.counts.queued > 0) {
    const isShut = stretchOf(batch, now)?.isOpen === false;
    // While its window is closed nobody has looked whether it could pay.
    if (!isShut)
      await store.turn(batch, ["paused"], "running", { event: "batch.resumed", gone: ["reason", "why", "since"] });
    return;
  }
  if (batch.budget === undefined || batch.budget === 0) return;
  const spent = spentOf(readMoney(await redis.hgetall(keys.money(scopes.batch(batch.id)))));
  const reached = toldShares.find((share) => spent * 100 >= share * (batch.budget ?? 0)) ?? 0;
  if (reached > batch.toldBudget)
    await store.turn(batch, ["running"], "running", {
      event: reached === 80 ? "batch.budget_80" : "batch.budget_50",
      set: ["toldBudget", reached],
    });
  // A cap that was raised is told of again.
  else if (reached < batch.toldBudget && batch.state === "running") await redis.hset(key, "toldBudget", reached);
}

/** Cancels what was not sent. */
export async function cancelFree(batch: BatchRecord, { engine, parked, move }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  const pools = await redis.smembers(keys.batchPools(batch.id));
  for (const pool of [...pools, heldPool]) {
    const ids = (await redis.zrange(keys.batchPool(batch.id, pool), 0, String(cancelledAtOnce - 1))) as VideoId[];
    await Promise.all(
      ids.map(async (id) => {
        const video = await parked(id);
        if (!video) return redis.zrem(keys.batchPool(batch.id, pool), id);
        const now = clock.now();
        return move(video, cancelledFree(video, now), "its batch is being cancelled");
      }),
    );
  }
}

/** Hears of clips that other batches have rendered. */
export async function watchShared(batch: BatchRecord, keeping: Keeping): Promise<void> {
  const { engine, scripts } = keeping;
  const { redis, keys, clock } = engine;
  const shared = Object.entries(await redis.hgetall(keys.batchShared(batch.id)));
  for (let from = 0; from < shared.length; from += 500) {
    const page = shared.slice(from, from + 500);
    const heads = await Promise.all(page.map(([, video]) => redis.getrange(keys.video(video as VideoId), 0, 31)));
    for (const [index, [number]] of page.entries()) {
      const head = heads[index] ?? "";
      // One that was deleted is as good as cancelled.
      const status = (head === "" ? "cancelled" : head.split(" ")[1]) as Status;
      if (!isFinal(status)) continue;
      // Whoever was to render it gave it up: then this batch does it itself.
      if (status === "cancelled" && head !== "" && (await renderOneself(batch, Number(number), keeping))) continue;
      await scripts.part(
        [keys.batch(batch.id), keys.batchShared(batch.id), keys.batchNews],
        [number, status, `${batch.id} ${number}`, clock.now()],
      );
    }
  }
}

async function renderOneself(batch: BatchRecord, number: number, { store, replace, read }: Keeping): Promise<boolean> {
  const clip = (await store.clips(batch.id, [number])).get(number);
  const video = clip && (await read(clip.video));
  if (!clip || typeof video !== "object") return false;
  return replace(batch.id, { number, clip, video, request: requestOfShared(clip, video), from: "sharedOpen" });
}

/** Waits no longer for what others have rendered. */
export async function leaveShared({ id }: BatchRecord, { engine, scripts }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  for (const number of Object.keys(await redis.hgetall(keys.batchShared(id))))
    await scripts.part(
      [keys.batch(id), keys.batchShared(id), keys.batchNews],
      [number, "cancelled", `${id} ${number}`, clock.now()],
    );
}

/** Where only clips are left whose sources failed, a person must say what becomes of them; then it goes on. */
export async function watchHeld(batch: BatchRecord, { engine, store }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  const isPaused = batch.state === "paused" && batch.reason === "source";
  if (!isPaused && (batch.state !== "running" || batch.open === 0 || batch.sharedOpen > 0)) return;
  const isStuck = (await redis.zcard(keys.batchPool(batch.id, heldPool))) >= batch.open;
  if (isPaused) {
    if (!isStuck)
      await store.turn(batch, ["paused"], "running", { event: "batch.resumed", gone: ["reason", "why", "since"] });
    return;
  }
  if (!isStuck || (await hasNews(engine, batch.id))) return;
  const [what, those] =
    batch.open === 1
      ? ["The clip that is left remixes one", "that"]
      : [`The ${batch.open} clips that are left remix others`, "those"];
  const why = `${what} that failed; send ${those} again with \`reelq batch retry\`, or do without with \`reelq batch waive\`.`;
  await store.turn(batch, ["running"], "paused", {
    event: "batch.paused",
    set: ["reason", "source", "why", why, "since", clock.now()],
  });
}

/** All clips have ended: outputs and report are written, then it is over. */
export async function finish(
  batch: BatchRecord,
  { engine, store }: Keeping,
  write: (batch: BatchRecord) => Promise<readonly (string | number)[]>,
): Promise<void> {
  if (leftOf(batch) > 0 && batch.state !== "finalizing") return;
  const { clock } = engine;
  if (batch.state !== "finalizing") {
    if (await hasNews(engine, batch.id)) return;
    await store.turn(batch, ["running", "paused", "cancelling"], "finalizing", { set: ["finalizingAt", clock.now()] });
    return;
  }
  // A clip that a person sent again meanwhile.
  if (leftOf(batch) > 0) return void (await store.turn(batch, ["finalizing"], "running", { gone: ["finalizingAt"] }));
  const set = await write(batch);
  const ending = batch.ending ?? "completed";
  await store.turn(batch, ["finalizing"], ending, {
    event: `batch.${ending}`,
    keeping: "over",
    set: [...set, "endedAt", clock.now()],
    gone: ending === "completed" ? ["reason", "why", "since"] : [],
  });
}
