import type { UploadBody, UploadListBody } from "@reelq/contract";
import { openContent } from "./content.ts";
import { allPages } from "./pages.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface FileListQuery {
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
  readonly order?: "asc" | "desc" | undefined;
  readonly purpose?: string | undefined;
}

export interface FileInput {
  /** `vision` for a reference image; the API says what else there is. */
  readonly purpose: string;
  /** @default the blob's own name, where it is a File */
  readonly filename?: string | undefined;
}

/** Reference images that many videos use: upload one once, and name it as `reference: { file_id }`. */
export interface Files {
  create(blob: Blob, input: FileInput, options?: CallOptions): Promise<UploadBody>;
  retrieve(id: string, options?: CallOptions): Promise<UploadBody>;
  /** One page. */
  list(query?: FileListQuery, options?: CallOptions): Promise<UploadListBody>;
  /** All of them, page by page as they are used. */
  all(query?: FileListQuery, options?: CallOptions): AsyncIterable<UploadBody>;
  delete(id: string, options?: CallOptions): Promise<{ readonly id: string; readonly deleted: true }>;
  /** The bytes, as a stream. */
  content(id: string, options?: CallOptions): Promise<Response>;
}

export function openFiles(transport: Transport): Files {
  const pathOf = (id: string): string => `/files/${encodeURIComponent(id)}`;
  const files: Files = {
    create(blob, { purpose, filename }, { signal } = {}) {
      const form = new FormData();
      form.append("purpose", purpose);
      form.append("file", blob, filename ?? nameOf(blob));
      return transport.ask({ method: "POST", path: "/files", form, signal });
    },
    retrieve: (id, { signal } = {}) => transport.ask({ path: pathOf(id), signal }),
    list: (query = {}, { signal } = {}) => transport.ask({ path: "/files", query, signal }),
    all: (query = {}, options = {}) => allPages((after) => files.list({ ...query, after }, options), query.after),
    delete: (id, { signal } = {}) => transport.ask({ method: "DELETE", path: pathOf(id), signal }),
    content: (id, { signal } = {}) => openContent(transport, pathOf(id), { signal }),
  };
  return files;
}

const nameOf = (blob: Blob): string => ("name" in blob && typeof blob.name === "string" ? blob.name : "file");
