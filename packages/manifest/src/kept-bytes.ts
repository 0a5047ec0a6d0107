import { mostBytes, type Text, textOf } from "./text.ts";

/** So much is told of what is too long. */
const shownBytes = 1_024;

/** Bytes that came in pieces and belong together; of too many, only the beginning is kept. */
export interface KeptBytes {
  /** Copies them: whoever reads the file may use the same memory again. */
  add(bytes: Uint8Array): void;
  /** Whether there are any. */
  readonly isEmpty: boolean;
  /** All of them as text; what is added after this is the next text. */
  take(): Text;
}

export function openBytes(): KeptBytes {
  let kept = Buffer.alloc(0);
  let length = 0;
  let isTooLong = false;

  function keep(bytes: Uint8Array): void {
    if (length + bytes.length > kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(4_096, 2 * length, length + bytes.length));
      kept.copy(larger, 0, 0, length);
      kept = larger;
    }
    kept.set(bytes, length);
    length += bytes.length;
  }

  return {
    add(bytes) {
      if (isTooLong || bytes.length === 0) return;
      if (length + bytes.length > mostBytes) {
        if (length < shownBytes) keep(bytes.subarray(0, shownBytes - length));
        isTooLong = true;
      } else keep(bytes);
    },
    get isEmpty() {
      return length === 0 && !isTooLong;
    },
    take() {
      const text = textOf(kept.subarray(0, isTooLong ? Math.min(length, shownBytes) : length));
      const read: Text = isTooLong ? { text: text.text, fault: "too long" } : text;
      length = 0;
      isTooLong = false;
      return read;
    },
  };
}
