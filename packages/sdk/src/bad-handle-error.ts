/** A text that no handle was ever turned into. */
export class BadHandleError extends Error {
  readonly code = "bad_handle";
  readonly text: unknown;

  constructor(text: unknown) {
    const whole = JSON.stringify(text) ?? String(text);
    const shown = whole.length > 80 ? `${whole.slice(0, 79)}…` : whole;
    super(`${shown} is not a video's handle; one looks like video_0199a000-0000-7000-8000-000000000000.`);
    this.name = "BadHandleError";
    this.text = text;
  }
}
