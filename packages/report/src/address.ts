/** An address that a page may lead to: a relative one, or one of the web, of this machine's files, or a video itself. */
export function safeUrl(url: string | null): string | null {
  if (url === null) return null;
  // A browser drops these before it reads the scheme.
  const read = url.replaceAll(/[\p{Cc}\s]/gu, "");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(read)?.[1]?.toLowerCase();
  if (scheme === undefined || ["http", "https", "file"].includes(scheme)) return url.trim();
  return /^data:video\//i.test(read) ? url : null;
}
