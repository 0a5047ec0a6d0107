import { createHash } from "node:crypto";
import { filterStyle } from "./filter.ts";
import { script } from "./script.ts";
import { style } from "./style.ts";

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Runs and styles nothing but what the report itself brings; asks nobody for anything but the file that is played. */
export const reportPolicy = [
  "default-src 'none'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)} ${hashOf(filterStyle)}`,
  "img-src data:",
  "media-src * data: blob: file:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The same for the live page, to be sent as its header. @param nonce the one that the page was given */
export const livePolicy = (nonce: string): string =>
  [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "media-src * data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
