/** The bytes of a `data:` address; undefined where it is none that can be read. */
export function readDataUrl(url: string): { bytes: Buffer; contentType: string } | undefined {
  const comma = url.indexOf(",");
  if (!/^data:/i.test(url) || comma === -1) return undefined;
  const [contentType = "", ...parameters] = url.slice("data:".length, comma).split(";");
  const isBase64 = parameters.some((parameter) => parameter.trim().toLowerCase() === "base64");
  try {
    const text = decodeURIComponent(url.slice(comma + 1));
    return {
      bytes: Buffer.from(text, isBase64 ? "base64" : "latin1"),
      contentType: contentType.trim() || "text/plain",
    };
  } catch {
    return undefined;
  }
}
