/** What a format's reader found, before it is known what it means. */
export type Reading = Head | Clip | Wrong;

/** Defaults for every clip after it. */
interface Head {
  readonly kind: "head";
  readonly line: number;
  readonly given: Readonly<Record<string, unknown>>;
}

export interface Clip {
  readonly kind: "clip";
  readonly line: number;
  readonly given: unknown;
  /** A row of cells: every column is a field, so none makes it a line of the OpenAI shape. */
  readonly isRow?: true;
}

export interface Wrong {
  readonly kind: "wrong";
  readonly line: number;
  readonly field?: string;
  /** A whole sentence. */
  readonly message: string;
  /** Nothing after it can be read. */
  readonly isEnd?: true;
}

/** What a clip or a head says, under our own names. */
export interface Fields {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly mistakes: readonly Wrong[];
}

/** Takes a file in pieces, cut anywhere. */
export interface FormatReader {
  push(bytes: Uint8Array): Generator<Reading>;
  end(): Generator<Reading>;
}

export const wrong = (line: number, message: string, field?: string): Wrong => ({
  kind: "wrong",
  line,
  message,
  ...(field === undefined ? {} : { field }),
});

/** After this nothing can be read. */
export const end = (line: number, message: string): Wrong => ({ kind: "wrong", line, message, isEnd: true });

export const isMap = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === "object" && given !== null && !Array.isArray(given);
