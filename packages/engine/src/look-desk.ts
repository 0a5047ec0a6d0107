import type { VideoId, VideoIn } from "@reelq/contract";
import type { Look, Upstream, WireTask } from "@reelq/upstream";
import { type Clock, MINUTE, SECOND } from "./clock.ts";

/** What a look brought, or the ms until there is leave for it. */
export type DeskLook = Look | { readonly kind: "wait"; readonly waitMs: number };

/** Takes the looks at one upstream together: where many are due, one page of its list answers them all. */
export type LookDesk = (video: VideoIn<"rendering">) => Promise<DeskLook>;

export interface LookDeskParts {
  readonly upstream: Pick<Upstream, "retrieve" | "list">;
  readonly clock: Clock;
  /** Leave for one look at this video's task: 0 for now, else the ms to wait. */
  readonly askToLook: (video: VideoIn<"rendering">) => Promise<number>;
  /** The same for one page of the list, which belongs to no lane. */
  readonly askToList: () => Promise<number>;
}

/** Looks that come within this time of each other are taken together, in ms. */
const gatherMs = 40;

/** A page answers looks that come so soon after it, in ms. */
const freshMs = 500;

/** Fewer are asked for one by one: a list says less than a task's own page does. */
const fewest = 3;

const pageLength = 100;
const mostPages = 5;

/** Lists lag: after so many answers from lists in a row the task itself is asked. */
const mostListed = 3;

/** How long a list that was of no use is left alone. */
const uselessMs = MINUTE;
const missedMs = 30 * SECOND;

interface Waiting {
  readonly video: VideoIn<"rendering">;
  readonly answer: (look: Promise<DeskLook>) => void;
}

export function openLookDesk({ upstream, clock, askToLook, askToList }: LookDeskParts): LookDesk {
  let waiting: Waiting[] = [];
  let page: { readonly tasks: ReadonlyMap<string, WireTask>; readonly until: number } | undefined;
  let listFrom = 0;
  const listed = new Map<VideoId, number>();

  /** What the page says of a task that goes on; whatever else it may say, the task itself is asked. */
  function fromPage(video: VideoIn<"rendering">): Look | undefined {
    const task = page && clock.now() < page.until ? page.tasks.get(video.task.id) : undefined;
    if (!task?.wordKnown || (task.state !== "running" && task.state !== "waiting")) return undefined;
    const times = (listed.get(video.id) ?? 0) + 1;
    if (times > mostListed) return undefined;
    listed.set(video.id, times);
    return { kind: "seen", task };
  }

  async function itself(video: VideoIn<"rendering">): Promise<DeskLook> {
    const waitMs = await askToLook(video);
    if (waitMs > 0) return { kind: "wait", waitMs };
    listed.delete(video.id);
    return upstream.retrieve(video.task.id);
  }

  /**
   * Reads the newest tasks, page by page, as long as a page more may answer enough of those that are wanted.
   * @returns the ms to wait for leave, 0 where it was there
   */
  async function readPages(wanted: readonly Waiting[]): Promise<number> {
    const tasks = new Map<string, WireTask>();
    let missing = wanted.map(({ video }) => video.task.id);
    let after: string | undefined;
    for (let pages = 0; pages < mostPages && missing.length >= fewest; pages += 1) {
      const waitMs = await askToList();
      // Where looks are scarce, one page is better than a look each: they all come back for it together.
      if (waitMs > 0) return wanted.length - missing.length < fewest ? waitMs : 0;
      const read = await upstream.list({ limit: pageLength, order: "desc", ...(after === undefined ? {} : { after }) });
      if (read.kind !== "page") {
        listFrom = clock.now() + (read.kind === "no_list" ? uselessMs : missedMs);
        return 0;
      }
      for (const task of read.tasks) tasks.set(task.id, task);
      page = { tasks, until: clock.now() + freshMs };
      missing = missing.filter((id) => !tasks.has(id));
      after = read.lastId ?? read.tasks.at(-1)?.id;
      if (!read.hasMore || after === undefined) break;
    }
    // Others' tasks, or too many older ones: what the pages cost was not worth it.
    if (wanted.length - missing.length < fewest) listFrom = clock.now() + uselessMs;
    return 0;
  }

  async function serve(group: readonly Waiting[]): Promise<void> {
    // Where the page could not be had, each is asked for by itself, and told by itself what went wrong.
    const isMany = group.length >= fewest && clock.now() >= listFrom;
    const waitMs = isMany ? await readPages(group).catch(() => 0) : 0;
    for (const { video, answer } of group) {
      const look = waitMs > 0 ? ({ kind: "wait", waitMs } as const) : fromPage(video);
      answer(look ? Promise.resolve(look) : itself(video));
    }
  }

  return (video) => {
    const known = fromPage(video);
    if (known) return Promise.resolve(known);
    // Where no page can be had, there is nothing to wait together for.
    if (waiting.length === 0 && clock.now() < listFrom) return itself(video);
    return new Promise((resolve) => {
      waiting.push({ video, answer: resolve });
      if (waiting.length > 1) return;
      setTimeout(() => {
        const group = waiting;
        waiting = [];
        void serve(group);
      }, gatherMs);
    });
  };
}
