import { type ClipBody, sayUsd } from "@reelq/contract";
import { csvReport, jsonReport } from "@reelq/report";
import { assert, asyncProperty, constantFrom, oneof, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { aBatch, aClip, aFailure, aNight, oneByOne, someBatchId } from "../support/night.ts";

const joined = async (pieces: AsyncIterable<string>): Promise<string> => {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
};

const fileUrl = ({ file }: ClipBody): string => `https://files.example/${file?.key}`;
const csvOf = (clips: readonly ClipBody[]): Promise<string> =>
  joined(csvReport({ batch: aBatch(clips), clips: oneByOne(clips), fileUrl }));

/** A reader of RFC 4180 that knows nothing of the writer. */
function readCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [];
  let rest = text;
  while (rest !== "") {
    const row: string[] = [];
    for (;;) {
      const [whole, quoted, bare] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))/.exec(rest) ?? [""];
      row.push(quoted === undefined ? (bare ?? "") : quoted.replaceAll('""', '"'));
      rest = rest.slice(whole.length);
      if (!rest.startsWith(",")) break;
      rest = rest.slice(1);
    }
    if (!rest.startsWith("\r\n")) throw new Error(`No row ends here: ${rest.slice(0, 80)}`);
    rest = rest.slice(2);
    rows.push(row);
  }
  const [head = [], ...others] = rows;
  return others.map((row) => {
    expect(row).toHaveLength(head.length);
    return Object.fromEntries(head.map((name, index) => [name, row[index] ?? ""]));
  });
}

/** As the writer documents it. */
const original = (cell: string): string => (cell.startsWith("'") ? cell.slice(1) : cell);

describe("CSV", () => {
  test("has a row for each clip, under names that stay", async () => {
    const failed = aClip({
      number: 2,
      status: "failed",
      file: null,
      failure: aFailure("moderated", "blocked"),
      money: { estimated: null, reserved: 0, charged: 0, unknown: 100_000 },
      ended_at: null,
    });
    const [stored, other] = readCsv(await csvOf([aClip(), failed]));
    expect(Object.keys(stored ?? {}).join(" ")).toBe(
      "custom_id line take status origin waived skipped video_id model seconds size prompt path url bytes sha256 content_type duration_ms width height differences thumbnail_path failure_class failure_code failure_message failure_retry estimated_usd reserved_usd charged_usd unknown_usd attempts looks setbacks accepted_at sent_at rendered_at ended_at lane remix_of reference_sha256 priority tags waiting replaced",
    );
    const { file, video_id } = aClip();
    expect(stored).toMatchObject({
      custom_id: "shot-001",
      line: "2",
      status: "stored",
      waived: "false",
      video_id,
      path: file?.key,
      url: `https://files.example/${file?.key}`,
      bytes: String(file?.bytes),
      sha256: file?.sha256,
      charged_usd: "1.00",
      estimated_usd: "1.00",
      failure_class: "",
    });
    expect(other).toMatchObject({
      path: "",
      url: "",
      failure_class: "moderated",
      failure_retry: "insist",
      failure_message: "blocked",
      estimated_usd: "",
      unknown_usd: "0.10",
      ended_at: "",
    });
  });

  test("an empty batch has its head", async () => {
    expect(await csvOf([])).toMatch(/^custom_id,line,[^\r\n]*,replaced\r\n$/);
  });

  test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "=cmd|' /C calc'!A0"])(
    "%j is no formula",
    async (prompt) => {
      const [row] = readCsv(await csvOf([aClip({ prompt })]));
      expect(row?.["prompt"]).toBe(`'${prompt}`);
    },
  );

  test("any text comes back as it was", async () => {
    const text = oneof(string({ unit: "binary" }), string({ unit: constantFrom(..."=+-@'\",;\r\n\t a") }));
    await assert(
      asyncProperty(text, text, async (prompt, custom_id) => {
        const [row] = readCsv(await csvOf([aClip({ prompt, custom_id })]));
        expect([row?.["prompt"], row?.["custom_id"]].map((cell) => original(cell ?? ""))).toEqual([prompt, custom_id]);
        expect(Object.values(row ?? {}).filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);
      }),
    );
  });
});

describe("JSON", () => {
  interface Document {
    readonly batch: unknown;
    readonly clips: readonly (ClipBody & { url: string | null })[];
    readonly summary: Record<string, unknown>;
  }
  const read = async (clips: readonly ClipBody[]): Promise<Document> =>
    JSON.parse(await joined(jsonReport({ batch: aBatch(clips), clips: oneByOne(clips), fileUrl }))) as Document;

  test("has the batch and its clips as they are, each with its file's address", async () => {
    const clips = aNight(40);
    const document = await read(clips);
    expect(document.batch).toEqual(aBatch(clips));
    expect(document.clips.map(({ url: _url, ...clip }) => clip)).toEqual(clips);
    expect(document.clips[0]?.url).toBe(`https://files.example/${clips[0]?.file?.key}`);
    expect(document.clips[11]?.url).toBeNull();
  });

  test("sums up: counts, failures, what is to be done", async () => {
    const clips = aNight(40);
    const { charged } = aBatch(clips).reelq.money;
    const { summary } = await read(clips);
    expect(summary).toMatchObject({
      sentence: `36 of 40 stored, 3 failed, 1 skipped; ${sayUsd(charged)} charged, $2.60 not known.`,
      is_clean: false,
      clips: 40,
      standings: { stored: 36, failed: 3, skipped: 1 },
      failures: [
        { class: "moderated", count: 1, charged: 0, unknown: 1_000_000 },
        { class: "render_failed", count: 2, charged: 0 },
      ],
    });
    expect(JSON.stringify(summary["needs"])).toContain(`reelq batch retry ${someBatchId}`);
  });

  test("an empty batch is a document too", async () => {
    expect(await read([])).toMatchObject({ clips: [], summary: { clips: 0, is_clean: true, first_sent_at: null } });
  });
});
