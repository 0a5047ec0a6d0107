import { type ClipBody, type MicroUsd, sayUsd } from "@reelq/contract";
import { inChunks } from "./chunks.ts";
import type { ReportParts } from "./html-report.ts";

/** A text may be anybody's; a number, a name of ours or a time is as it was written here. */
type Cell = { readonly text: string | null | undefined } | string | number | boolean | null | undefined;

/** The columns, in their order. They stay; new ones are added behind them. */
const columns: Readonly<Record<string, (clip: ClipBody, url: string | null) => Cell>> = {
  custom_id: ({ custom_id }) => ({ text: custom_id }),
  line: ({ line }) => line,
  take: ({ take }) => take,
  status: ({ status }) => status,
  origin: ({ origin }) => origin,
  waived: ({ waived }) => waived,
  skipped: ({ skipped }) => skipped,
  video_id: ({ video_id }) => ({ text: video_id }),
  model: ({ model }) => ({ text: model }),
  seconds: ({ seconds }) => seconds,
  size: ({ size }) => ({ text: size }),
  prompt: ({ prompt }) => ({ text: prompt }),
  path: ({ file }) => ({ text: file?.key }),
  url: (_clip, url) => ({ text: url }),
  bytes: ({ file }) => file?.bytes,
  sha256: ({ file }) => file?.sha256,
  content_type: ({ file }) => ({ text: file?.content_type }),
  duration_ms: ({ file }) => file?.duration_ms,
  width: ({ file }) => file?.width,
  height: ({ file }) => file?.height,
  differences: ({ file }) => ({ text: file?.differences.join(" ") }),
  thumbnail_path: ({ file }) => ({ text: file?.thumbnail }),
  failure_class: ({ failure }) => failure?.class,
  failure_code: ({ failure }) => ({ text: failure?.code }),
  failure_message: ({ failure }) => ({ text: failure?.message }),
  failure_retry: ({ failure }) => failure?.retry,
  estimated_usd: ({ money }) => (money.estimated === null ? null : usd(money.estimated)),
  reserved_usd: ({ money }) => usd(money.reserved),
  charged_usd: ({ money }) => usd(money.charged),
  unknown_usd: ({ money }) => usd(money.unknown),
  attempts: ({ attempts }) => attempts,
  looks: ({ looks }) => looks,
  setbacks: ({ setbacks }) => setbacks,
  accepted_at: ({ accepted_at }) => accepted_at,
  sent_at: ({ sent_at }) => sent_at,
  rendered_at: ({ rendered_at }) => rendered_at,
  ended_at: ({ ended_at }) => ended_at,
  lane: ({ lane }) => ({ text: lane }),
  remix_of: ({ remix_of }) => ({ text: remix_of }),
  reference_sha256: ({ reference_sha256 }) => reference_sha256,
  priority: ({ priority }) => priority,
  tags: ({ tags }) => ({ text: tags.join(" ") }),
  waiting: ({ waiting }) => ({ text: waiting?.reason }),
  replaced: ({ before }) => ({ text: before.join(" ") }),
};

/**
 * The clips as CSV (RFC 4180: CRLF, quotes doubled), a row each, UTF-8 without a mark. What is not known is empty.
 * A text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@`, their wide twins, a tab or a
 * line end) has a `'` before it, and so has one that begins with `'`: whoever takes one leading `'` away from any text
 * that has it gets the very text back.
 */
export const csvReport = (parts: Pick<ReportParts, "batch" | "clips" | "fileUrl">): AsyncGenerator<string> =>
  inChunks(rows(parts));

async function* rows({ clips, fileUrl }: Pick<ReportParts, "clips" | "fileUrl">): AsyncGenerator<string> {
  yield row(Object.keys(columns));
  for await (const clip of clips) {
    const url = clip.file ? fileUrl(clip) : null;
    yield row(Object.values(columns).map((column) => said(column(clip, url))));
  }
}

const row = (cells: readonly string[]): string => `${cells.map(quoted).join(",")}\r\n`;

function said(cell: Cell): string {
  if (typeof cell !== "object" || cell === null) return String(cell ?? "");
  const text = cell.text ?? "";
  return /^['=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
}

const quoted = (text: string): string => (/[",;\s]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** `12.50`, exact, without the sign that would make it a text. */
const usd = (micros: MicroUsd): string => sayUsd(micros).replace("$", "");
