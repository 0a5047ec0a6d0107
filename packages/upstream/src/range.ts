import { header, type Headers } from "./transport.ts";

/** The part of a file that is wanted: from a byte on, of the version with this entity tag. */
export interface Resume {
  readonly from: number;
  readonly etag: string | undefined;
}

/** No Range by a weak tag: it says that two versions mean the same, not that their bytes are the same. */
export function rangeHeaders({ from, etag }: Resume): Record<string, string> {
  if (from <= 0 || (etag !== undefined && !isStrong(etag))) return {};
  return { range: `bytes=${from}-`, ...(etag === undefined ? {} : { "if-range": etag }) };
}

const isStrong = (etag: string): boolean => /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag);

/** Which bytes a 206 holds; undefined where it does not say, or says nonsense. */
export function readContentRange(headers: Headers): { from: number; to: number; totalBytes?: number } | undefined {
  const said = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(header(headers, "content-range")?.trim() ?? "");
  if (!said) return undefined;
  const [from, to, total] = [Number(said[1]), Number(said[2]), Number(said[3])];
  if (to < from || total <= to) return undefined;
  return Number.isNaN(total) ? { from, to } : { from, to, totalBytes: total };
}

/** The file's length from a 416, which says `bytes *` and the length after a slash. */
export function readUnsatisfiedLength(headers: Headers): number | undefined {
  const said = /^bytes\s+\*\/(\d+)$/i.exec(header(headers, "content-range")?.trim() ?? "");
  return said ? Number(said[1]) : undefined;
}
