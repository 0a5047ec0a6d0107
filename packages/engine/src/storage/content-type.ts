const byExtension = new Map(
  Object.entries({
    mp4: "video/mp4",
    webm: "video/webm",
    mov: "video/quicktime",
    avi: "video/x-msvideo",
    webp: "image/webp",
    jpg: "image/jpeg",
    png: "image/png",
    json: "application/json",
  }),
);

/** The content type that a key's extension stands for. */
export const contentTypeOf = (key: string): string =>
  byExtension.get(key.slice(key.lastIndexOf(".") + 1).toLowerCase()) ?? "application/octet-stream";
