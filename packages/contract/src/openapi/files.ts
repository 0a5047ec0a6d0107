import type { Operation } from "./operation.ts";

/** `/v1/files` and what is below it. */
export const fileOperations = [
  {
    method: "post",
    path: "/v1/files",
    id: "createFile",
    tag: "files",
    summary: "Upload a file",
    body: { form: "FileForm" },
    replies: { 200: { description: "The file, stored.", json: "File" } },
    errors: [
      "malformed_body",
      "body_too_large",
      "unsupported_media_type",
      "invalid_value",
      "missing_value",
      "unknown_field",
    ],
  },
  {
    method: "get",
    path: "/v1/files",
    id: "listFiles",
    tag: "files",
    summary: "List files",
    description: "The project's own.",
    parameters: ["After", "FileLimit", "Order", "Purpose"],
    replies: { 200: { description: "A page.", json: "FileList" } },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/files/{id}",
    id: "retrieveFile",
    tag: "files",
    summary: "Look at a file",
    replies: { 200: { description: "The file.", json: "File" } },
    errors: ["not_found"],
  },
  {
    method: "delete",
    path: "/v1/files/{id}",
    id: "deleteFile",
    tag: "files",
    summary: "Delete a file",
    replies: { 200: { description: "It is gone.", json: "FileDeleted" } },
    errors: ["not_found"],
  },
  {
    method: "get",
    path: "/v1/files/{id}/content",
    id: "retrieveFileContent",
    tag: "files",
    summary: "Fetch a file's bytes",
    replies: {
      200: {
        description: "The bytes.",
        type: "application/octet-stream",
        schema: { type: "string", format: "binary" },
        headers: ["ETag"],
      },
    },
    errors: ["not_found"],
  },
] as const satisfies readonly Operation[];
