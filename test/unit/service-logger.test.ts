import { openLogger } from "@reelq/service";
import { expect, test } from "vitest";

function log(pretty: boolean, level: "info" | "debug" = "info") {
  const lines: string[] = [];
  const logger = openLogger({ name: "api", level, pretty, destination: { write: (line) => void lines.push(line) } });
  return { logger, lines };
}

test("lines are JSON with time, level and name", () => {
  const { logger, lines } = log(false);
  logger.debug("not this one");
  logger.info({ video: "video_1" }, "stored");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time: expect.stringMatching(/^\d{4}-.*Z$/), level: "info", name: "api", video: "video_1", msg: "stored" },
  ]);
});

test.each([true, false])("secrets are hidden wherever they usually are (pretty: %s)", (pretty) => {
  const { logger, lines } = log(pretty);
  logger.info({
    authorization: "hunter2",
    settings: { apiKeys: ["hunter2"], upstream: { apiKey: "hunter2" } },
    request: { headers: { authorization: "hunter2", cookie: "hunter2" } },
    key: "videos/a.mp4",
  });
  expect(lines.join()).not.toContain("hunter2");
  expect(lines.join()).toContain("videos/a.mp4");
});

test("a line for people is short, and an error has its trace below", () => {
  const { logger, lines } = log(true);
  logger.warn({ video: "video_1", note: "two words", err: new Error("the disk is full") }, "not stored");
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} warn {2}api: not stored video=video_1 note="two words"\n {4}Error: the disk is full\n {8}at /,
  );
});

test("what others wrote cannot steer the terminal", () => {
  const { logger, lines } = log(true);
  logger.info({ prompt: "\u001b[2Jgone", err: new Error("\u001b[2J") }, "\u001b[31mred\nfake line");
  expect(lines.join("").replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  expect(lines.join("")).not.toContain("\nfake line");
});
