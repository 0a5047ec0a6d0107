import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Frame, openFrameReader } from "../../packages/sdk/src/frame.ts";

const utf8 = new TextEncoder();

/** Reads it in one piece. */
function read(text: string) {
  const reader = openFrameReader();
  return { frames: reader.push(utf8.encode(text)), lastId: reader.lastId, retryMs: reader.retryMs };
}

const frame = (data: string, rest: Partial<Frame> = {}): Frame => ({ id: undefined, event: "message", data, ...rest });

describe("a stream", () => {
  test.each([
    ["of one event", "id: 1-0\nevent: video.queued\ndata: {}\n\n", [frame("{}", { id: "1-0", event: "video.queued" })]],
    ["of lines that end in CRLF", "id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [frame("a", { id: "1" }), frame("b")]],
    ["of lines that end in CR", "data: a\r\rdata: b\r\r", [frame("a"), frame("b")]],
    ["of data in several lines", "data: a\ndata:\ndata: b\n\n", [frame("a\n\nb")]],
    ["with a byte order mark", "\uFEFFdata: a\n\n", [frame("a")]],
    ["with one mark more in its text", "data: \uFEFFa\n\n", [frame("\uFEFFa")]],
    ["with comments", ": heartbeat\n\n:\ndata: a\n: in between\n\n", [frame("a")]],
    ["with a field that nobody knows", "colour: red\ndata: a\n\n", [frame("a")]],
    ["with fields without a colon", "data\ndata\n\n", [frame("\n")]],
    ["with a second blank, which belongs to the data", "data:  a\n\n", [frame(" a")]],
    ["with colons in the data", "data: a: b:c\n\n", [frame("a: b:c")]],
    ["with an event that has no data", "event: nothing\n\ndata: a\n\n", [frame("a")]],
    ["with an id that has a NUL", "id: a\0b\ndata: a\n\n", [frame("a")]],
    ["that ends within an event", "data: a\n\ndata: b\n", [frame("a")]],
    ["of a cat", "data: a cat 🐈, naïve\n\n", [frame("a cat 🐈, naïve")]],
  ])("%s is read", (_, text, frames) => {
    expect(read(text).frames).toEqual(frames);
  });

  test("keeps its last id, also that of an event without data, until it is taken back", () => {
    expect(read("id: 1\ndata: a\n\ndata: b\n\n").lastId).toBe("1");
    expect(read("id: 1\n\n")).toMatchObject({ frames: [], lastId: "1" });
    expect(read("id: 1\ndata: a\n\nid\ndata: b\n\n").lastId).toBeUndefined();
    expect(read("id: 1\ndata: unfinished\n").lastId).toBeUndefined();
  });

  test("says how long to pause, in digits only", () => {
    expect(read("retry: 1500\n\n").retryMs).toBe(1500);
    expect(read("retry: 15s\n\nretry: -1\n\nretry:\n\n").retryMs).toBeUndefined();
  });
});

const text = fc.string({ unit: fc.constantFrom("a", ":", " ", "é", "🐈", "\uFEFF", "日", "{", "\0") });
const field = fc.oneof(
  fc.tuple(fc.constantFrom("data", "event", "id", "retry", "colour", ""), fc.constantFrom(":", ": ", ""), text),
  fc.constant(["", "", ""] as const),
);
const line = fc.tuple(field, fc.constantFrom("\n", "\r", "\r\n")).map(([parts, end]) => parts.join("") + end);
const stream = fc
  .tuple(fc.constantFrom("", "\uFEFF"), fc.array(line, { maxLength: 30 }))
  .map(([mark, lines]) => mark + lines.join(""));

/** How many bytes come at a time, again and again; a piece without bytes is a piece too. */
const cuts = fc
  .array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 20 })
  .filter((sizes) => sizes.some((one) => one > 0));

test("the same events come out wherever the stream is cut, within characters and line ends too", () => {
  fc.assert(
    fc.property(stream, cuts, (whole, sizes) => {
      const reader = openFrameReader();
      const bytes = utf8.encode(whole);
      const frames: Frame[] = [];
      let turn = 0;
      for (let at = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 0;
        frames.push(...reader.push(bytes.subarray(at, at + size)));
        at += size;
      }
      expect({ frames, lastId: reader.lastId, retryMs: reader.retryMs }).toEqual(read(whole));
    }),
    { numRuns: 2_000 },
  );
});

/** The standard's rules, word by word, over the whole text at once. */
function byTheBook(whole: string): string[] {
  const blocks = whole
    .replace(/^\uFEFF/, "")
    .replaceAll(/\r\n?/g, "\n")
    .split("\n");
  // What is not ended by a line's end is not read.
  blocks.pop();
  const told: string[] = [];
  let data = "";
  for (const one of blocks) {
    if (one === "") {
      if (data !== "") told.push(data.slice(0, -1));
      data = "";
    } else if (one === "data") data += "\n";
    else if (one.startsWith("data:")) data += `${one.slice(5).replace(/^ /, "")}\n`;
  }
  return told;
}

test("its data is what the standard's own rules say", () => {
  fc.assert(
    fc.property(stream, (whole) => {
      expect(read(whole).frames.map(({ data }) => data)).toEqual(byTheBook(whole));
    }),
    { numRuns: 2_000 },
  );
});
