import { isVideoId, judgeCreate, nearestName, newVideoId, ProblemError, seedCatalogue } from "@reelq/contract";
import { describe, expect, test } from "vitest";

const problemsOf = (fields: Record<string, unknown>) => {
  try {
    judgeCreate(fields, seedCatalogue);
  } catch (error) {
    if (error instanceof ProblemError) return error.problems;
    throw error;
  }
  return [];
};

describe("a create call", () => {
  test("gets the defaults of the seed", () => {
    expect(judgeCreate({ prompt: "x" }, seedCatalogue)).toEqual({
      prompt: "x",
      model: "sora-2",
      seconds: 15,
      size: "720x1280",
    });
    expect(judgeCreate({ prompt: "x", model: "veo-3.1" }, seedCatalogue)).toMatchObject({ seconds: 8 });
  });

  test.each([
    ["sora-2", [10, 15]],
    ["sora-2-pro", [10, 15, 25]],
    ["veo-3.1", [4, 8, 12]],
  ])("of %s may last %j seconds, and nothing else", (model, allowed) => {
    for (const seconds of [1, 4, 5, 8, 10, 12, 15, 20, 25]) {
      const problems = problemsOf({ prompt: "x", model, seconds: String(seconds) });
      expect(problems.length).toBe(allowed.includes(seconds) ? 0 : 1);
      if (problems[0])
        expect(problems[0]).toMatchObject({
          code: "invalid_value",
          param: "seconds",
          message: expect.stringContaining(allowed.join(", ")) as string,
        });
    }
  });

  test.each([
    ["no prompt", {}, "prompt", /required/],
    ["an empty prompt", { prompt: " \n" }, "prompt", /empty/],
    ["a prompt that is no text", { prompt: 7 }, "prompt", /must be text; 7/],
    ["a prompt that is too long", { prompt: "x".repeat(32_001) }, "prompt", /32001 characters; at most 32000/],
    ["half a character", { prompt: "\ud800" }, "prompt", /surrogate/],
    [
      "an unknown model",
      { prompt: "x", model: "sora2" },
      "model",
      /"sora2" is not known; allowed: sora-2, .*mean "sora-2"/,
    ],
    ["a model from the prototype", { prompt: "x", model: "constructor" }, "model", /not known/],
    ["a model that is no text", { prompt: "x", model: ["sora-2"] }, "model", /not known/],
    ["seconds with a unit", { prompt: "x", seconds: "15s" }, "seconds", /"15s" is not allowed/],
    ["seconds as an object", { prompt: "x", seconds: {} }, "seconds", /not allowed/],
    ["seconds that are hexadecimal", { prompt: "x", seconds: "0xf" }, "seconds", /not allowed/],
    ["an unknown size", { prompt: "x", size: "1x1" }, "size", /"1x1" is not allowed for sora-2; allowed: 720x1280/],
    ["a typo in a field", { prompt: "x", second: 10 }, "second", /did you mean "seconds"/],
    ["a field nobody knows", { prompt: "x", quality: "hd" }, "quality", /known fields: prompt, model/],
  ])("with %s is refused, naming the field, what was given and what is allowed", (_what, fields, param, message) => {
    const [problem] = problemsOf(fields);
    expect(problem?.param).toBe(param);
    expect(problem?.message).toMatch(message);
  });

  test("with several mistakes is told all of them", () => {
    expect(problemsOf({ seconds: 3, size: "x", nonsense: 1 }).map(({ param }) => param)).toEqual([
      "nonsense",
      "prompt",
      "seconds",
      "size",
    ]);
  });
});

describe("a video's id", () => {
  test("is a UUIDv7 that sorts by time, even within a millisecond and when the clock steps back", () => {
    const times = [1000, 1000, 1000, 999, 1001, ...Array.from({ length: 5000 }, () => 1001), 1002];
    const ids = times.map(newVideoId);
    expect(ids.every(isVideoId)).toBe(true);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("says when it was made", () => {
    const now = Date.UTC(2030, 1, 2, 3, 4, 5, 678);
    const hex = newVideoId(now).slice("video_".length).replaceAll("-", "").slice(0, 12);
    expect(parseInt(hex, 16)).toBe(now);
  });

  test.each([
    "video_",
    "video_01890000-0000-4000-8000-000000000000",
    "VIDEO_01890000-0000-7000-8000-000000000000",
    "video_01890000-0000-7000-8000-000000000000\n",
  ])("is not %j", (text) => {
    expect(isVideoId(text)).toBe(false);
  });
});

test("the nearest name is only suggested where it is near", () => {
  expect(nearestName("secnds", ["seconds", "size"])).toBe("seconds");
  expect(nearestName("zzz", ["seconds", "size"])).toBeUndefined();
});
