/** Thrown where set-up cannot go on. The message says what happened and what to do, for people. */
export class SetUpError extends Error {
  constructor(message) {
    super(message);
    this.name = "SetUpError";
  }
}
