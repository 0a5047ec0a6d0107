import { Readable } from "node:stream";
import { type ReportSources, type Storage, thumbnailUrl } from "@reelq/engine";
import { csvReport, htmlReport, jsonReport } from "@reelq/report";

/** Files lie in the same storage, two folders up: the report goes wherever they go. */
const fileUrl = ({ file }: { readonly file: { readonly key: string } | null }): string | null =>
  file && `../../${file.key.split("/").map(encodeURIComponent).join("/")}`;

/** Writes the report of a batch that has ended beside its files, as `batches/ID/report.html`, `.csv` and `.json`. */
export async function writeReport({ batch, clips }: ReportSources, storage: Storage, writtenAt: number): Promise<void> {
  const parts = () => ({
    batch,
    clips: clips(),
    fileUrl,
    thumbnail: (clip: Parameters<typeof thumbnailUrl>[0]) => thumbnailUrl(clip, storage),
    writtenAt,
  });
  const put = (format: string, contentType: string, body: AsyncGenerator<string>) =>
    storage.put(`batches/${batch.id}/report.${format}`, Readable.from(body), { contentType });
  await put("html", "text/html; charset=utf-8", htmlReport(parts()));
  await put("csv", "text/csv; charset=utf-8", csvReport(parts()));
  await put("json", "application/json; charset=utf-8", jsonReport(parts()));
}
