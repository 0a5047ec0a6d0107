import { expect, test } from "vitest";
import { rememberingNoList } from "../../packages/engine/src/list-memory.ts";
import { pacedList } from "../../packages/engine/src/paced-list.ts";
import { speaking } from "../support/scripted-upstream.ts";
import { someTime } from "../support/video.ts";

/** A server whose list answers with this status, and a clock of its own. */
async function aServer(status: number) {
  const { seen, upstream } = await speaking((_, response) => {
    response.writeHead(status).end(status === 200 ? '{"object":"list","data":[]}' : '{"error":{"message":"no"}}');
  });
  let now = someTime;
  return { seen, upstream, clock: { now: () => now }, skip: (ms: number) => void (now += ms) };
}

test("a server that has no list is asked again after ten minutes, not before", async () => {
  const { seen, upstream, clock, skip } = await aServer(404);
  const remembering = rememberingNoList(upstream, clock, "auto");
  for (const ms of [0, 60_000, 500_000]) {
    skip(ms);
    expect((await remembering.list()).kind).toBe("no_list");
  }
  expect(seen).toHaveLength(1);
  skip(60_000);
  await remembering.list();
  expect(seen).toHaveLength(2);
});

test("a list that the operator says is not there is never asked for", async () => {
  const { seen, upstream, clock } = await aServer(200);
  const page = await rememberingNoList(upstream, clock, false).list();
  expect(page).toEqual({ kind: "no_list", reason: "the configuration says that it has none" });
  expect(seen).toEqual([]);
});

test("a list that the operator says is there was only missed when it is not", async () => {
  const { seen, upstream, clock } = await aServer(404);
  const remembering = rememberingNoList(upstream, clock, true);
  expect([(await remembering.list()).kind, (await remembering.list()).kind]).toEqual(["missed", "missed"]);
  expect(seen).toHaveLength(2);
});

test("a page waits for leave, and nobody waits on once the worker stops", async () => {
  const { seen, upstream } = await aServer(200);
  const stopping = new AbortController();
  const waits = [40, 5, 0];
  const paced = pacedList(upstream, async () => waits.shift() ?? 60_000, stopping.signal);
  expect((await paced.list()).kind).toBe("page");
  expect(waits).toEqual([]);
  const never = paced.list();
  stopping.abort();
  await expect(never).rejects.toThrow();
  expect(seen).toHaveLength(1);
});
