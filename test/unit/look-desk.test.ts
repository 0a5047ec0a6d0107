import { expect, test } from "vitest";
import { type LookDeskParts, openLookDesk } from "../../packages/engine/src/look-desk.ts";
import { speaking } from "../support/scripted-upstream.ts";
import { aTask, aVideo, someTime } from "../support/video.ts";

interface Listing {
  /** Whether there is a list, and the ids in it. */
  readonly ids?: readonly string[];
  readonly status?: string;
  readonly wait?: Partial<Pick<LookDeskParts, "askToLook" | "askToList">>;
}

/** A desk before a server whose tasks all run, by their own word. */
async function aDesk({ ids, status = "in_progress", wait = {} }: Listing) {
  const task = (id: string, word: string) => ({ id, object: "video", status: word, model: "sora-2", created_at: 1 });
  const { seen, upstream } = await speaking(({ path }, response) => {
    const url = new URL(path, "http://upstream");
    if (url.pathname !== "/v1/videos")
      response.end(JSON.stringify(task(url.pathname.split("/").at(-1) ?? "", "in_progress")));
    else if (ids) {
      const from = ids.indexOf(url.searchParams.get("after") ?? "") + 1;
      const data = ids.slice(from, from + Number(url.searchParams.get("limit"))).map((id) => task(id, status));
      response.end(JSON.stringify({ object: "list", data, has_more: from + data.length < ids.length }));
    } else response.writeHead(404).end('{"error":{"message":"no such route"}}');
  });
  let now = someTime;
  const clock = { now: () => now };
  const never = () => Promise.resolve(0);
  const look = openLookDesk({ upstream, clock, askToLook: never, askToList: never, ...wait });
  let forgotten = 0;
  const paths = () =>
    seen
      .slice(forgotten)
      .map(({ path }) => new URL(path, "http://upstream").pathname.replace("/v1/videos", "") || "list");
  return { look, paths, skip: (ms: number) => void (now += ms), forget: () => void (forgotten = seen.length) };
}

const names = (many: number): string[] => Array.from({ length: many }, (_, index) => `task-${index}`);
const renders = (ids: readonly string[]) => ids.map((id) => aVideo("rendering", { task: aTask({ id }) }));

test("many looks that come together are one page of the list", async () => {
  const ids = names(20);
  const { look, paths } = await aDesk({ ids });
  const looks = await Promise.all(renders(ids).map(look));
  expect(looks.map((one) => (one.kind === "seen" ? [one.task.id, one.task.state] : one))).toEqual(
    ids.map((id) => [id, "running"]),
  );
  expect(paths()).toEqual(["list"]);
});

test("one or two are asked for by themselves: a list would save nothing", async () => {
  const ids = names(2);
  const { look, paths } = await aDesk({ ids });
  await Promise.all(renders(ids).map(look));
  expect(paths().sort()).toEqual(["/task-0", "/task-1"]);
});

test("a task that the list says is done, lost or something unknown is asked itself: a list decides nothing", async () => {
  for (const status of ["completed", "failed", "expired", "cancelled", "somewhere"]) {
    const ids = names(4);
    const { look, paths } = await aDesk({ ids, status });
    const looks = await Promise.all(renders(ids).map(look));
    expect(looks.every((one) => one.kind === "seen" && one.task.state === "running")).toBe(true);
    expect(paths().sort()).toEqual(["/task-0", "/task-1", "/task-2", "/task-3", "list"]);
  }
});

test("more tasks than a page holds are looked for page by page, as long as that may save looks", async () => {
  const ids = names(240);
  const { look, paths } = await aDesk({ ids });
  const wanted = [...ids.slice(0, 5), ...ids.slice(110, 115), ...ids.slice(230, 232)];
  const looks = await Promise.all(renders(wanted).map(look));
  expect(looks.every(({ kind }) => kind === "seen")).toBe(true);
  // A third page would answer two looks, and cost one and its length.
  expect(paths().sort()).toEqual(["/task-230", "/task-231", "list", "list"]);
});

test("what the list leaves out is asked by itself", async () => {
  const ids = names(5);
  const { look, paths } = await aDesk({ ids: ids.slice(0, 3) });
  await Promise.all(renders(ids).map(look));
  expect(paths().sort()).toEqual(["/task-3", "/task-4", "list"]);
});

test("a list that lags is found out: every fourth look asks the task itself", async () => {
  const ids = names(3);
  const { look, paths, skip } = await aDesk({ ids });
  const videos = renders(ids);
  for (let times = 0; times < 4; times += 1) {
    await Promise.all(videos.map(look));
    skip(10_000);
  }
  const asked = paths();
  expect(asked.filter((path) => path === "list")).toHaveLength(4);
  expect(asked.filter((path) => path !== "list").sort()).toEqual(["/task-0", "/task-1", "/task-2"]);
});

test("a page answers looks that come right after it, and none that come later", async () => {
  const ids = names(4);
  const { look, paths, skip, forget } = await aDesk({ ids });
  const videos = renders(ids);
  await Promise.all(videos.slice(0, 3).map(look));
  forget();
  skip(300);
  await look(videos[3]!);
  expect(paths()).toEqual([]);
  skip(1_000);
  await look(videos[3]!);
  expect(paths()).toEqual(["/task-3"]);
});

test("a server without a list is not asked for one again for a while", async () => {
  const ids = names(3);
  const { look, paths, skip } = await aDesk({});
  const videos = renders(ids);
  await Promise.all(videos.map(look));
  skip(10_000);
  await Promise.all(videos.map(look));
  expect(paths().filter((path) => path === "list")).toHaveLength(1);
  skip(60_000);
  await Promise.all(videos.map(look));
  expect(paths().filter((path) => path === "list")).toHaveLength(2);
});

test("a list that shows others' tasks and not ours is left alone for a while", async () => {
  const { look, paths, skip } = await aDesk({ ids: names(100).map((id) => `foreign-${id}`) });
  const videos = renders(names(3));
  await Promise.all(videos.map(look));
  skip(10_000);
  await Promise.all(videos.map(look));
  expect(paths().filter((path) => path === "list")).toHaveLength(1);
});

test("no leave means no request: those who wait are told for how long", async () => {
  const later = () => Promise.resolve(700);
  const { look, paths } = await aDesk({ ids: names(3), wait: { askToLook: later, askToList: later } });
  expect(await Promise.all(renders(names(3)).map(look))).toEqual(names(3).map(() => ({ kind: "wait", waitMs: 700 })));
  expect(paths()).toEqual([]);
});

test("where looks are scarce, many wait for one page rather than take a look each", async () => {
  let isScarce = true;
  const askToList = () => Promise.resolve(isScarce ? 300 : 0);
  const ids = names(6);
  const { look, paths } = await aDesk({ ids, wait: { askToList } });
  expect(await Promise.all(renders(ids).map(look))).toEqual(ids.map(() => ({ kind: "wait", waitMs: 300 })));
  isScarce = false;
  expect((await Promise.all(renders(ids).map(look))).every(({ kind }) => kind === "seen")).toBe(true);
  expect(paths()).toEqual(["list"]);
});

test("a second page that has no leave yet does not make the list useless", async () => {
  const waits = [0, 400];
  const askToList = () => Promise.resolve(waits.shift() ?? 0);
  const ids = names(140);
  const { look, paths } = await aDesk({ ids, wait: { askToList } });
  const old = ids.slice(120, 126);
  expect(await Promise.all(renders(old).map(look))).toEqual(old.map(() => ({ kind: "wait", waitMs: 400 })));
  expect((await Promise.all(renders(old).map(look))).every(({ kind }) => kind === "seen")).toBe(true);
  expect(paths()).toEqual(["list", "list", "list"]);
});

test("a failure to ask for leave is told to all who wait, and the next ones are served", async () => {
  let broken = true;
  const ask = () => (broken ? Promise.reject(new Error("Redis is away")) : Promise.resolve(0));
  const { look } = await aDesk({ ids: names(3), wait: { askToLook: ask, askToList: ask } });
  const results = await Promise.allSettled(renders(names(3)).map(look));
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  broken = false;
  expect((await Promise.all(renders(names(3)).map(look))).map(({ kind }) => kind)).toEqual(["seen", "seen", "seen"]);
});
