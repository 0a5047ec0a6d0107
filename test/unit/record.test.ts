import { type Attempt, coreOf, noSetbacks, type Status, statuses, type Video } from "@reelq/contract";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptRecordError } from "../../packages/engine/src/corrupt-record.ts";
import { parseRecord, recordText } from "../../packages/engine/src/record.ts";
import { aTask, aVideo, someTime } from "../support/video.ts";

const kept = (video: Video, json: string): string => `${video.version} ${video.status} ${json}`;

/** A render whose one attempt made its task, as nearly all are. */
function aRender() {
  const core = coreOf(aVideo("rendering"));
  const task = aTask({ id: "task_01k6x15vhrff09dkkqjrzwhm60", acceptedAt: someTime + 20, progress: 40 });
  const attempt: Attempt = {
    number: 1,
    upstream: core.lane.upstream,
    intentAt: someTime,
    postBy: someTime + 10_000,
    endedAt: task.acceptedAt,
    outcome: "accepted",
    task: task.id,
    charged: "unknown",
  };
  return aVideo("rendering", { ...core, attempts: [attempt], task });
}

describe("a record", () => {
  const anAttempt = fc.record(
    {
      number: fc.integer({ min: 1, max: 3 }),
      upstream: fc.constantFrom("main", "other"),
      intentAt: fc.constantFrom(someTime, someTime + 0.1),
      postBy: fc.constantFrom(someTime + 10_000, someTime + 5_000),
      endedAt: fc.constantFrom(someTime, someTime + 0.5),
      outcome: fc.constantFrom("accepted", "adopted", "refused"),
      task: fc.constantFrom("task_a", "task_b"),
      charged: fc.constantFrom("unknown", "yes", "no"),
    },
    { requiredKeys: ["number", "upstream", "intentAt", "postBy", "charged"] },
  ) as fc.Arbitrary<Attempt>;
  const facts = fc.record({
    lane: fc.record({ upstream: fc.constantFrom("main", "other"), model: fc.constantFrom("sora-2", "other-model") }),
    attempts: fc.array(anAttempt, { maxLength: 3 }),
    task: fc.record({
      upstream: fc.constantFrom("main", "other"),
      id: fc.constantFrom("task_a", "task_b"),
      acceptedAt: fc.constantFrom(someTime, someTime + 0.5),
    }),
    looks: fc.record({ count: fc.nat(3), missed: fc.nat(1), notFound: fc.nat(1) }),
    setbacks: fc.constantFrom(noSetbacks, { ...noSetbacks, throttled: 1 }),
  });

  test.each(statuses)("of a %s video is read as it was written, whatever it does not say twice", (status: Status) => {
    fc.assert(
      fc.property(facts, ({ task, looks, ...others }) => {
        const usual = aVideo(status);
        const mayHaveTask = "task" in usual || status === "failed" || status === "cancelled";
        const own = { ...(mayHaveTask ? { task } : {}), ...("looks" in usual ? { looks } : {}) };
        const video = { ...usual, ...others, ...own } as Video;
        expect(parseRecord(video.id, recordText(video))).toEqual(video);
      }),
    );
  });

  test("that says everything, as older versions wrote it, is read", () => {
    const video = aRender();
    expect(parseRecord(video.id, kept(video, JSON.stringify({ ...video, schema: 1 })))).toEqual(video);
  });

  test("of a render says neither its task nor its lane twice, and nothing of what did not happen", () => {
    const video = aRender();
    const text = recordText(video);
    for (const [what, once] of [
      ["the task", video.task.id],
      ["the model", video.lane.model],
      ["the upstream", `"${video.lane.upstream}"`],
      ["when the task was made", String(video.task.acceptedAt)],
    ] as const)
      expect([what, text.split(once).length - 1]).toEqual([what, 1]);
    expect(text).not.toMatch(/setbacks|missed|notFound|charged|number|postBy/);
  });

  test("whose task no attempt made is refused, not filled in", () => {
    const video = aRender();
    const damaged = recordText(video).replace(/"task":"[^"]*",?/, "");
    expect(() => parseRecord(video.id, damaged)).toThrow(CorruptRecordError);
  });

  test.each([
    ["its lane", /"lane":\{[^}]*\}/, '"lane":[]'],
    ["its attempts", /"attempts":\[[^\]]*\]/, '"attempts":{}'],
    ["one of its attempts", /"attempts":\[[^\]]*\]/, '"attempts":[7]'],
    ["its task", /"task":\{[^}]*\}/, '"task":"task_a"'],
    ["its looks", /"looks":\{[^}]*\}/, '"looks":null'],
    ["its request", /"request":\{[^}]*\}/, '"request":"a cat"'],
  ])("that has something else for %s is refused", (_what, part, other) => {
    const video = aRender();
    const text = recordText(video);
    const damaged = text.replace(part, other);
    expect(damaged).not.toBe(text);
    expect(() => parseRecord(video.id, damaged)).toThrow(CorruptRecordError);
  });
});
