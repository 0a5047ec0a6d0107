import { readStoryboard } from "@reelq/contract";
import { describe, expect, test } from "vitest";

const problemsOf = (prompt: string, clipSeconds = 15) => {
  const read = readStoryboard(prompt, clipSeconds);
  return read.kind === "broken" ? read.problems : [];
};

describe("a storyboard", () => {
  test("is read shot by shot", () => {
    const prompt =
      "Shot 1:\nduration: 5sec\nScene: A door opens.\n\nShot 2:\nduration: 7.5sec\nScene: Light falls in.\nDust dances.";
    expect(readStoryboard(prompt, 15)).toEqual({
      kind: "storyboard",
      shots: [
        { number: 1, seconds: 5, scene: "A door opens." },
        { number: 2, seconds: 7.5, scene: "Light falls in.\nDust dances." },
      ],
    });
  });

  test.each([
    ["carriage returns", "Shot 1:\r\nduration: 5sec\r\nScene: x"],
    ["other case and spaces", "  SHOT 1 :\n\tDuration : 5 seconds\n scene:x"],
    ["blank lines first", "\n\n\nShot 1:\nduration: 5s\nScene: x\n\n"],
    ["all of a shot on one line", "Shot 1: duration: 5sec\nScene: x"],
    ["scene before duration", "Shot 1:\nScene: x\nduration: 5"],
  ])("may be written with %s", (_how, prompt) => {
    expect(readStoryboard(prompt, 5)).toEqual({ kind: "storyboard", shots: [{ number: 1, seconds: 5, scene: "x" }] });
  });

  test.each([
    "A cat walks",
    "The shot 1: of the film",
    "Screenshot 1: a desk",
    "Director's note\nShot 1:\nduration: 99sec",
  ])("is not what %j is", (prompt) => {
    expect(readStoryboard(prompt, 5)).toEqual({ kind: "plain" });
  });

  test.each([
    ["begins with another number", "Shot 2:\nduration: 5sec\nScene: x", 2, /this is the 1st shot, so write "Shot 1:"/],
    ["leaves one out", "Shot 1:\nduration: 1sec\nScene: x\nShot 3:\nduration: 1sec\nScene: x", 3, /the 2nd shot/],
    ["has a number twice", "Shot 1:\nduration: 1sec\nScene: x\nShot 1:\nduration: 1sec\nScene: x", 1, /the 2nd shot/],
    ["has no duration", "Shot 1:\nScene: x", 1, /has no duration/],
    ["has two durations", "Shot 1:\nduration: 1sec\nduration: 2sec\nScene: x", 1, /more than one duration/],
    ["has an odd duration", "Shot 1:\nduration: a while\nScene: x", 1, /"a while" is not a duration/],
    ["has a duration of nothing", "Shot 1:\nduration: 0sec\nScene: x", 1, /"0sec" is not a duration/],
    ["has a negative duration", "Shot 1:\nduration: -3sec\nScene: x", 1, /"-3sec" is not a duration/],
    ["has no scene", "Shot 1:\nduration: 1sec", 1, /has no scene/],
    ["has an empty scene", "Shot 1:\nduration: 1sec\nScene:   \n  ", 1, /has no scene/],
    ["has two scenes", "Shot 1:\nduration: 1sec\nScene: a\nScene: b", 1, /more than one scene/],
  ])("that %s is refused, and the shot is named", (_what, prompt, shot, message) => {
    const problems = problemsOf(prompt);
    expect(problems[0]?.shot).toBe(shot);
    expect(problems[0]?.message).toMatch(message);
    expect(problems[0]?.message).toContain(`Shot ${shot}:`);
  });

  test("whose shots are longer than the clip names the shot that goes over", () => {
    const prompt = [1, 2, 3].map((shot) => `Shot ${shot}:\nduration: 6sec\nScene: x`).join("\n");
    expect(problemsOf(prompt, 15)).toEqual([
      { shot: 3, message: expect.stringMatching(/add up to 18 s, longer than the clip's 15 s/) as string },
    ]);
    expect(problemsOf(prompt, 18)).toEqual([]);
  });

  test("with several mistakes tells them all", () => {
    expect(problemsOf("Shot 1:\nScene: x\nShot 5:\nduration: 1sec").map(({ shot }) => shot)).toEqual([1, 5, 5]);
  });
});
