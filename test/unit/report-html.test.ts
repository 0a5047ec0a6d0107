import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type BatchBody, type ClipBody, failureClasses, sayUsd } from "@reelq/contract";
import { htmlReport, isClean, livePage, type LivePageParts, type ReportParts } from "@reelq/report";
import { describe, expect, test } from "vitest";
import { aBatch, aClip, aFailure, aNight, bedtime, oneByOne, someBatchId } from "../support/night.ts";

const joined = async (pieces: AsyncIterable<string>): Promise<string> => {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
};

const partsOf = (clips: readonly ClipBody[], parts: Partial<ReportParts> = {}): ReportParts => ({
  batch: aBatch(clips),
  clips: oneByOne(clips),
  fileUrl: ({ file }) => `videos/${file?.key}`,
  thumbnail: async () => null,
  writtenAt: bedtime,
  ...parts,
});

const report = (clips: readonly ClipBody[], parts: Partial<ReportParts> = {}): Promise<string> =>
  joined(htmlReport(partsOf(clips, parts)));

/** What a reader reads; the style and the script are not among it. */
const textOf = (html: string): string =>
  html
    .replaceAll(/<(style|script|title)\b[^>]*>.*?<\/\1>/gs, "")
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll("\u00a0", " ")
    .replaceAll(/[ \n]+/g, " ");

const headlineOf = (html: string): string => textOf(/<h1>.*?<\/h1>\n<p class="money">.*?<\/p>/s.exec(html)?.[0] ?? "");

/** The commands it gives, as they would be copied. */
const commandsOf = (html: string): string[] =>
  [...html.matchAll(/<span class="command"><code>(.*?)<\/code>/gs)].map(([, code = ""]) => textOf(code));

/** A clip that was never sent, or whose render is gone. */
const unstored = (facts: Partial<ClipBody>): ClipBody =>
  aClip({ file: null, money: { estimated: 1_000_000, reserved: 0, charged: 0, unknown: 0 }, ...facts });

const aFailedClip = (number: number, failure: NonNullable<ClipBody["failure"]>, unknown = 0): ClipBody =>
  unstored({
    number,
    status: "failed",
    failure,
    money: { estimated: 1_000_000, reserved: 0, charged: 0, unknown },
  });

const outOfMemory = aFailure("render_failed", "internal: out of memory");
const blocked = aFailure("moderated", "blocked by moderation");
const givenUp = aFailure("given_up", "still rendering after a day");

describe("the headline", () => {
  const stored = (count: number): ClipBody[] =>
    Array.from({ length: count }, (_, index) => aClip({ number: index + 1 }));
  const failedManifest: Partial<BatchBody> = {
    errors: { object: "list", data: [{ code: "invalid", line: 3, param: "seconds", message: "seconds is 7." }] },
  };
  const cases: readonly (readonly [string, BatchBody])[] = [
    ["All 3 stored $3.00 charged", aBatch(stored(3))],
    ["The one clip is stored $1.00 charged", aBatch(stored(1))],
    [
      "2 of 3 stored, 1 failed $2.00 charged, $0.10 not known",
      aBatch([...stored(2), aFailedClip(3, blocked, 100_000)]),
    ],
    [
      "1 of 5 stored, 1 in doubt, 1 at work, 2 to go $1.00 charged, $2.00 reserved",
      aBatch(
        [
          ...stored(1),
          unstored({ status: "in_doubt", money: { estimated: 1, reserved: 1_000_000, charged: 0, unknown: 0 } }),
          unstored({ status: "rendering", money: { estimated: 1, reserved: 1_000_000, charged: 0, unknown: 0 } }),
          unstored({ status: "queued" }),
          unstored({ status: "queued" }),
        ],
        { state: "running" },
      ),
    ],
    ["1 of 2 stored, 1 waived $1.00 charged", aBatch([...stored(1), unstored({ status: "cancelled", waived: true })])],
    [
      "1 of 3 stored, 1 skipped, 1 cancelled $1.00 charged",
      aBatch([...stored(1), unstored({ status: "cancelled", skipped: true }), unstored({ status: "cancelled" })]),
    ],
    ["1 of 2 stored, 1 never sent $1.00 charged", aBatch([...stored(1), unstored({ status: "queued" })])],
    [
      "Nothing was accepted: 1 mistake in the manifest nothing charged",
      aBatch([], { state: "failed" }, failedManifest),
    ],
    ["Nothing was accepted nothing charged", aBatch([], { state: "failed" })],
    ["Its manifest is being read nothing charged", aBatch([], { state: "validating" })],
    ["No clips, so nothing to do nothing charged", aBatch([])],
  ];
  test.each(cases)("%s", async (expected, batch) => {
    expect(headlineOf(await report([], { batch }))).toBe(expected);
  });

  test("waived clips are said once, whether they are counted among the cancelled ones or beside them", async () => {
    const clips = [aClip(), unstored({ status: "cancelled", waived: true })];
    const beside = aBatch(clips);
    const among = { ...beside.reelq.counts, cancelled: 1 };
    const said = await Promise.all([beside, aBatch(clips, { counts: among })].map((batch) => report([], { batch })));
    expect(said.map(headlineOf)).toEqual(Array(2).fill("1 of 2 stored, 1 waived $1.00 charged"));
  });
});

describe("what needs a person", () => {
  test("each kind of failure comes with its own command", async () => {
    const clips = [
      aFailedClip(1, outOfMemory),
      aFailedClip(2, blocked),
      aFailedClip(3, givenUp),
      unstored({ number: 4, status: "in_doubt", video_id: "video_4" }),
    ];
    expect(commandsOf(await report(clips))).toEqual([
      "reelq show video_4",
      "reelq resolve video_4 --task TASK",
      "reelq resolve video_4 --resubmit",
      "reelq resolve video_4 --fail",
      `reelq batch retry ${someBatchId}`,
      `reelq batch waive ${someBatchId} shot-001`,
      `reelq batch retry ${someBatchId} --prompts prompts.csv`,
      `reelq batch waive ${someBatchId} shot-002`,
      `reelq batch retry ${someBatchId} --insist shot-003`,
      `reelq batch waive ${someBatchId} shot-003`,
    ]);
  });

  test("a stopped batch says why and how to go on", async () => {
    const command = `reelq batch set ${someBatchId} --budget 50`;
    const since = "2026-11-22T23:00:00.000Z";
    const message = "Its budget of $25.00 is used up.";
    const paused = aBatch([aClip()], { state: "paused", reason: { code: "budget", message, since, command } });
    const html = await report([aClip()], { batch: paused });
    expect(commandsOf(html)).toEqual([command]);
    expect(textOf(html)).toContain(message);
    const byItself = await report([aClip()], { batch: aBatch([aClip()], { state: "paused" }) });
    expect(commandsOf(byItself)).toEqual([`reelq batch resume ${someBatchId}`]);
  });

  test("custom ids are quoted for a shell, and cannot pass for options", async () => {
    const named = (custom_id: string): ClipBody => ({ ...aFailedClip(1, outOfMemory), custom_id });
    const commandFor = async (id: string): Promise<string | undefined> => commandsOf(await report([named(id)]))[1];
    expect(await commandFor("$(rm -rf ~); it's")).toBe(
      String.raw`reelq batch waive ${someBatchId} '$(rm -rf ~); it'\''s'`,
    );
    expect(await commandFor("--all")).toBe(`reelq batch waive ${someBatchId} -- --all`);
    // What cannot be seen must not be pasted.
    expect(await commandFor("a\u001b[2Jb")).toBeUndefined();
    expect(await commandFor("a\u202eb")).toBeUndefined();
  });

  test("many clips are counted, not listed", async () => {
    const clips = Array.from({ length: 400 }, (_, index) => aFailedClip(index + 1, outOfMemory));
    const html = await report(clips);
    expect(commandsOf(html)).toEqual([`reelq batch retry ${someBatchId}`]);
    expect(textOf(html)).toContain("and 388 more");
    const doubts = clips.map(({ number }) => unstored({ number, status: "in_doubt" }));
    expect(commandsOf(await report(doubts)).at(-1)).toBe("reelq list --status in_doubt");
  });

  test("a good night needs nobody", async () => {
    expect(textOf(await report([aClip()]))).toContain("What needs a person Nothing.");
  });

  const reason = (code: "person" | "budget", command: string | null = null) => ({
    reason: { code, message: "It stopped.", since: "2026-11-22T23:00:00.000Z", command },
  });
  test.each<[string, boolean, BatchBody]>([
    ["all stored", true, aBatch([aClip()])],
    ["a failed clip", false, aBatch([aClip(), aFailedClip(2, blocked)])],
    ["a failed clip that was waived", true, aBatch([aClip(), { ...aFailedClip(2, blocked), waived: true }])],
    ["a clip in doubt", false, aBatch([unstored({ status: "in_doubt" })], { state: "running" })],
    ["a run without trouble so far", true, aBatch([unstored({ status: "queued" })], { state: "running" })],
    ["a pause", false, aBatch([aClip()], { state: "paused" })],
    ["a cap that holds it up", false, aBatch([aClip()], { state: "running", ...reason("budget", "reelq batch set") })],
    ["a cap that cancelled the rest", false, aBatch([aClip()], { state: "cancelled", ...reason("budget") })],
    ["a person's cancel", true, aBatch([aClip()], { state: "cancelled", ...reason("person") })],
    ["the end of its last window", false, aBatch([aClip()], { state: "expired" })],
    ["a manifest with mistakes", false, aBatch([], { state: "failed" })],
  ])("%s: clean is %s", (_what, clean, batch) => {
    expect(isClean(batch)).toBe(clean);
  });
});

test("the money of the lanes, and of what stands on no clip, is the batch's to the millionth", async () => {
  const clips = [
    aClip({ lane: "one/a", money: { estimated: 1, reserved: 0, charged: 333_333, unknown: 0 } }),
    aClip({ lane: "two/b", money: { estimated: 1, reserved: 0, charged: 1, unknown: 7 } }),
    // Paid by the batch that rendered it.
    aClip({ lane: "one/a", origin: "reused", money: { estimated: 5, reserved: 0, charged: 5_000_000, unknown: 0 } }),
  ];
  const money = { estimated: null, reserved: 0, charged: 1_000_000, unknown: 7 };
  const html = await report(clips, { batch: aBatch(clips, { money }) });
  const lanes = /<section class="panel wide" aria-labelledby="lanes">.*?<\/section>/s.exec(html)?.[0] ?? "";
  const costs = [...lanes.matchAll(/data-label="Cost"[^>]*>([^<]*)</g)].map(([, cost]) => cost);
  expect(costs).toEqual(["$0.333333", "$0.000001, $0.000007 not known", "$0.666666", "$1.00, $0.000007 not known"]);
  expect(textOf(html)).toContain("Nobody said what one of its models costs");
  expect(textOf(html)).toContain("$0.000005 was not spent again");
});

test("failures are grouped by class with meaning, actor and an example; waived ones are not", async () => {
  const clips = [
    aFailedClip(1, outOfMemory, 500_000),
    aFailedClip(2, outOfMemory, 250_000),
    { ...aFailedClip(3, blocked), waived: true },
  ];
  const html = await report(clips);
  const reasons = textOf(/<section class="panel wide" aria-labelledby="reasons">.*?<\/section>/s.exec(html)?.[0] ?? "");
  expect(reasons).toContain(
    `render failed 2 ${failureClasses.render_failed.meaning} who wrote the prompt $0.75 not known internal: out of memory`,
  );
  expect(reasons).not.toContain("moderated");
});

test("times are the window's, else UTC", async () => {
  const window = {
    text: "Mon-Fri 22:00-06:30 Europe/Berlin",
    is_open: false,
    opens_at: null,
    closes_at: "2026-11-23T05:30:00.000Z",
    at_end: "carry" as const,
  };
  const berlin = textOf(await report([], { batch: aBatch([], { window }) }));
  expect(berlin).toContain("Asked for22 Nov 2026, 21:47");
  expect(berlin).toContain("Times are Europe/Berlin.");
  const nowhere = textOf(
    await report([], { batch: aBatch([], { window: { ...window, text: "22:00-06:30 Nowhere" } }) }),
  );
  expect(nowhere).toContain("Asked for22 Nov 2026, 20:47");
});

describe("hostile words", () => {
  const hostile = [
    `</script><script>document.title = "taken"</script>`,
    `"><img src=x onerror=alert(1)>`,
    `<!--`,
    `</title><base href="//evil.example">`,
    `\u202e\u0000\u001b[31m \u200f مرحبا \ud800 👩‍👩‍👧‍👦`,
  ].join(" ");

  test("no text of a batch becomes markup, wherever it stands", async () => {
    const said = { code: hostile, message: hostile, meaning: hostile };
    const clip = aClip({
      custom_id: hostile,
      prompt: hostile,
      model: hostile,
      size: hostile,
      lane: hostile,
      tags: [hostile],
      before: [hostile],
      status: "failed",
      failure: { ...blocked, ...said },
    });
    const batch = aBatch(
      [clip],
      { name: hostile, project: hostile, lanes: [] },
      {
        errors: { object: "list", data: [{ code: hostile, line: 1, param: hostile, message: hostile }] },
        input_file_id: hostile,
      },
    );
    const html = await report([clip], { batch, fileUrl: () => hostile, thumbnail: async () => hostile });
    expect(html).not.toMatch(/<img|<base|<!--|<script>document|<[^>]*onerror/);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<\/title>/g)).toHaveLength(1);
    expect(html).not.toMatch(/[^\P{Cc}\n\t]|\p{Cs}/u);
    expect(html).toContain("&#60;/script&#62;");
    expect(html).toContain("␀␛[31m");
    expect(/<title>(.*?)<\/title>/s.exec(html)?.[1]).not.toContain("\u202e");
    // What turns the writing's direction stands in an element that ends it.
    expect(
      textOf(html.replaceAll(/<bdi>.*?<\/bdi>/gs, "").replaceAll(/<p class="prompt" dir="auto">.*?<\/p>/gs, "")),
    ).not.toContain("\u202e");
  });

  test("a long prompt is shown by its beginning, and whole where it is asked for", async () => {
    const prompt = "👩‍👩‍👧‍👦".repeat(32_000 / "👩‍👩‍👧‍👦".length);
    const html = await report([aClip({ prompt })]);
    const summary = /<summary>(.*?)<\/summary>/s.exec(html)?.[1] ?? "";
    expect([...new Intl.Segmenter("en").segment(textOf(summary))].length).toBeLessThan(95);
    expect(summary).toContain("👩‍👩‍👧‍👦…");
    expect(html).toContain(`<p class="prompt" dir="auto">${prompt}</p>`);
    const marks = `a${"\u0301".repeat(31_999)}`;
    const marked = /<summary>(.*?)<\/summary>/s.exec(await report([aClip({ prompt: marks })]))?.[1] ?? "";
    expect(marked.length).toBeLessThan(800);
  });

  test.each([
    ["javascript:alert(1)", false],
    [" java\nscript:alert(1)", false],
    ["\u0001javascript:alert(1)", false],
    ["data:text/html,<script>alert(1)</script>", false],
    ["vbscript:x", false],
    ["data:video/mp4;base64,AAAA", true],
    ["https://files.example/a.mp4?x=1&y=2", true],
    ["file:///night/a.mp4", true],
    ["videos/2026/a b.mp4", true],
  ])("the address %j is a link: %s", async (url, isLink) => {
    const html = await report([aClip()], { fileUrl: () => url });
    expect(html.includes("data-play>")).toBe(isLink);
    expect(textOf(html).includes("cannot be reached from here")).toBe(!isLink);
  });

  test("its policy allows the styles and the script that it has, by their hashes", async () => {
    const html = await report([aClip({ prompt: hostile })]);
    const [, policy = ""] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
    const hashesOf = (tag: string): string =>
      [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, "gs"))]
        .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
        .join(" ");
    expect(textOf(policy).split("; ")).toEqual([
      "default-src 'none'",
      `script-src ${hashesOf("script")}`,
      `style-src ${hashesOf("style")}`,
      "img-src data:",
      "media-src * data: blob: file:",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(html).not.toMatch(/<[^>]*\s(style|on\w+)=/);
  });
});

describe("pictures", () => {
  const webp = (length: number): string => `data:image/webp;base64,${"A".repeat(length - 23)}`;
  const clips = Array.from({ length: 60 }, (_, index) => aClip({ number: index + 1 }));

  test("24 MB of them are embedded, then placeholders say why there is none", async () => {
    let asked = 0;
    const [large, small] = [webp(990_000), webp(1_000)];
    const html = await report(clips, {
      thumbnail: async ({ number }) => {
        asked += 1;
        // One that would still fit comes too late: pictures here and there would look like mistakes.
        return number === 27 ? small : large;
      },
    });
    expect(html.match(/<img /g)).toHaveLength(24);
    expect(html.match(/no picture: this page would grow too big/g)).toHaveLength(36);
    // A few are fetched ahead of their turn, no more.
    expect(asked).toBeLessThanOrEqual(24 + 10);
  });

  test("one that cannot be read, or is none, is only missing", async () => {
    const answers = [
      webp(100),
      "data:text/html;base64,AAAA",
      "data:image/svg+xml,<svg/>",
      "https://a.example/x.png",
      null,
    ];
    const html = await report(clips.slice(0, 7), {
      thumbnail: ({ number }) => {
        if (number === 6) throw new Error("at once");
        return number === 7 ? Promise.reject(new Error("gone")) : Promise.resolve(answers[number - 1] ?? null);
      },
    });
    expect(html.match(/<img /g)).toHaveLength(1);
    expect(html).not.toContain("grow too big");
    expect(html.match(/<li class="clip"/g)).toHaveLength(7);
  });

  test("only clips with a file are asked for one, or for an address", async () => {
    const asked: number[] = [];
    const note = ({ number }: ClipBody) => void asked.push(number);
    await report([unstored({ number: 1, status: "queued" }), aClip({ number: 2 })], {
      thumbnail: async (clip) => (note(clip), null),
      fileUrl: (clip) => (note(clip), null),
    });
    expect(asked).toEqual([2, 2]);
  });
});

describe("a batch of 50,000 clips", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const count = 50_000;

  test("is written as it is read, in flat memory", { timeout: 60_000 }, async () => {
    let read = 0;
    const clips = (async function* () {
      while (read < count) {
        read += 1;
        yield aClip({ number: read });
      }
    })();
    const pieces = htmlReport(partsOf([], { clips, thumbnail: async () => null }));
    let [written, longest] = [0, 0];
    const heap: number[] = [];
    for await (const piece of pieces) {
      written += piece.match(/<li class="clip"/g)?.length ?? 0;
      longest = Math.max(longest, piece.length);
      // Nothing is read long before it is wanted: one chunk's worth, and the few whose pictures are fetched ahead.
      expect(read - written).toBeLessThan(100);
      if (written > (heap.length + 1) * 10_000) {
        collect();
        heap.push(process.memoryUsage().heapUsed);
      }
    }
    expect(written).toBe(count);
    expect(longest).toBeLessThan(200_000);
    expect(heap.length).toBeGreaterThanOrEqual(4);
    expect((heap.at(-1) ?? 0) - (heap[0] ?? 0)).toBeLessThan(8_000_000);
  });

  test("is left where its reader leaves", async () => {
    let [read, closed] = [0, false];
    const clips = (async function* () {
      try {
        for (;;) yield aClip({ number: (read += 1) });
      } finally {
        closed = true;
      }
    })();
    for await (const piece of htmlReport(partsOf([], { clips }))) if (piece.includes("clip-40")) break;
    expect(closed).toBe(true);
    expect(read).toBeLessThan(200);
  });
});

describe("the live page", () => {
  const parts = (facts: Partial<LivePageParts> = {}): LivePageParts => ({
    batch: aBatch([unstored({ status: "queued" })], { state: "running" }),
    clips: [aClip()],
    eventsUrl: "/v1/batches/b/events",
    reportUrl: "/v1/batches/b/report?format=html",
    nonce: "n0nce",
    fileUrl: () => null,
    ...facts,
  });

  test("is whole without scripts, and comes again by itself until the batch is over", () => {
    const running = livePage(parts());
    expect(running).toContain('<noscript><meta http-equiv="refresh" content="10"></noscript>');
    expect(headlineOf(running)).toBe("0 of 1 stored, 1 to go nothing charged");
    expect(/<title>(.*?)<\/title>/.exec(running)?.[1]).toBe("0 % · shots");
    const over = livePage(parts({ batch: aBatch([aClip()]) }));
    expect(over).not.toContain("http-equiv");
    expect(/<title>(.*?)<\/title>/.exec(over)?.[1]).toBe("Finished · shots");
  });

  test("every script and style carries the nonce, and nothing else may run or style", () => {
    const html = livePage(parts({ batch: aBatch([], { name: `</title><script>x</script>` }) }));
    expect(html.match(/<(script|style)\b[^>]*>/g)).toEqual(['<style nonce="n0nce">', '<script nonce="n0nce">']);
    expect(html).not.toMatch(/<[^>]*\s(style|on\w+)=/);
  });

  test("says why it waits, with the command that goes on, and of how many clips it shows some", () => {
    const command = `reelq batch resume ${someBatchId}`;
    const reason = {
      code: "stop_loss" as const,
      message: "5 in a row failed.",
      since: "2026-11-22T23:00:00.000Z",
      command,
    };
    const batch = aBatch(aNight(40), { state: "paused", reason });
    const html = livePage(parts({ batch, clips: aNight(12) }));
    expect(textOf(html)).toContain(`Why it waits 5 in a row failed. ${command}`);
    expect(textOf(html)).toContain("12 clips of 40");
  });
});

test("a night of 300 says its sums exactly", async () => {
  const clips = aNight();
  const batch = aBatch(clips);
  const { charged, unknown, estimated } = batch.reelq.money;
  const text = textOf(await report(clips, { batch }));
  for (const micros of [charged, unknown, estimated ?? 0]) expect(text).toContain(sayUsd(micros));
  expect(text).toContain("294 of 300 stored, 4 failed, 1 skipped, 1 waived");
  expect(text).toContain("23 clips reused: rendered before, by another batch.");
});
