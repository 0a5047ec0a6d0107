import { isUtf8 } from "node:buffer";
import { readFileSync, statSync, type Stats } from "node:fs";
import { mistakesOf } from "./config-mistake.ts";
import { settings } from "./settings.ts";
import { SettingsError } from "./settings-error.ts";

/** Far more than any deployment has to say; reading more would only take long. */
const MOST_BYTES = 1_000_000;

/**
 * Reads the text of the file that REELQ_CONFIG names. Only a regular file is opened: at a pipe the process could
 * wait for ever.
 * @throws {SettingsError} that says what is there instead, or how the file is encoded
 */
export function readConfigText(path: string): string {
  const found = attempt(path, () => statSync(path));
  if (!found.isFile()) throw wrongPath(path, `it is ${kindOf(found)}, not a file; name a YAML file`);
  if (found.size > MOST_BYTES) throw tooLong(path);
  const bytes = attempt(path, () => readFileSync(path));
  if (bytes.length > MOST_BYTES) throw tooLong(path);
  return decode(path, bytes);
}

function attempt<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw wrongPath(path, code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`);
  }
}

const wrongPath = (path: string, why: string): SettingsError =>
  new SettingsError("the environment", [`${settings.configPath.variable} is "${path}": ${why}.`]);

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a folder";
  return found.isFIFO() ? "a pipe" : "a device or a socket";
}

const tooLong = (path: string): SettingsError =>
  mistakesOf(path, [{ say: () => "is over 1 MB, which no settings need; see that REELQ_CONFIG names the right file" }]);

function decode(path: string, bytes: Buffer): string {
  const start = bytes.subarray(0, 2).toString("hex");
  // Text in UTF-16 without its mark has a zero in nearly every pair of bytes.
  if (start === "feff" || start === "fffe" || bytes.includes(0))
    throw mistakesOf(path, [{ say: () => "is UTF-16, or no text at all; save it as UTF-8" }]);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  const say = () => "holds bytes that are not UTF-8 (Latin-1, most likely); save the file as UTF-8";
  throw mistakesOf(path, [{ line: firstLineNotUtf8(bytes), say }]);
}

function firstLineNotUtf8(bytes: Buffer): number {
  let line = 1;
  for (let start = 0, end: number; start < bytes.length; start = end + 1, line += 1) {
    end = bytes.indexOf("\n", start);
    if (end === -1) end = bytes.length;
    if (!isUtf8(bytes.subarray(start, end))) break;
  }
  return line;
}
