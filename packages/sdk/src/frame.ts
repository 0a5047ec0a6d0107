/** One event of a server-sent event stream, as the HTML standard (section 9.2.6) has it. */
export interface Frame {
  /** Its own `id` field; undefined where it has none. */
  readonly id: string | undefined;
  /** `message` where it has no `event` field. */
  readonly event: string;
  readonly data: string;
}

/** Takes an event stream in pieces, cut anywhere. */
export interface FrameReader {
  /** @returns the frames that these bytes complete */
  push(bytes: Uint8Array): Frame[];
  /** The last `id` that was read, also of a frame without data: where a new connection goes on from. */
  readonly lastId: string | undefined;
  /** The pause before a new connection that the server asked for, in milliseconds. */
  readonly retryMs: number | undefined;
}

export function openFrameReader(): FrameReader {
  // Decodes characters that are cut between pieces, and drops the mark that a stream may begin with.
  const decoder = new TextDecoder();
  let line = "";
  let endedInReturn = false;
  let id: string | undefined;
  let event = "";
  let data: string[] = [];
  let lastId: string | undefined;
  let retryMs: number | undefined;

  function readField(text: string): void {
    const colon = text.indexOf(":");
    const name = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) retryMs = Number(value);
  }

  function endFrame(): Frame[] {
    if (id !== undefined) lastId = id === "" ? undefined : id;
    // What brings no data is no event.
    const frames = data.length > 0 ? [{ id: id || undefined, event: event || "message", data: data.join("\n") }] : [];
    id = undefined;
    event = "";
    data = [];
    return frames;
  }

  return {
    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === "") return [];
      // A line's end that was cut in two is one end.
      if (endedInReturn && text.startsWith("\n")) text = text.slice(1);
      endedInReturn = text === "" ? false : text.endsWith("\r");
      const lines = text.split(/\r\n|\r|\n/);
      lines[0] = line + (lines[0] ?? "");
      line = lines.pop() ?? "";
      return lines.flatMap((whole) => {
        if (whole === "") return endFrame();
        readField(whole);
        return [];
      });
    },
    get lastId() {
      return lastId;
    },
    get retryMs() {
      return retryMs;
    },
  };
}
