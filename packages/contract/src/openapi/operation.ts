import type { Status } from "../lifecycle.ts";
import type { ReplyName, RequestName } from "./components.ts";
import type { ParameterName } from "./parameters.ts";
import type { ProblemCode } from "../problem.ts";

/** The groups of calls, in the order that a page shows them. */
export const tags = {
  videos: "Ask for videos, follow them, fetch their files.",
  batches: "Videos that are asked for together from one manifest, with a window, a budget and a report.",
  files: "What is sent ahead: images, to be named by `input_reference`, and the manifests of batches.",
  events: "What happens, as it happens, over server-sent events.",
  webhooks: "What happens, posted to an address of yours by the Standard Webhooks specification.",
  service: "For whoever runs it.",
} as const;

/** What a call is answered with where it succeeds. */
export type Reply =
  | {
      readonly description: string;
      readonly json: ReplyName;
      /** The example is a video in this status. */
      readonly shows?: Status;
      readonly headers?: readonly HeaderName[];
    }
  | {
      readonly description: string;
      /** A media type of what is no JSON of ours. */
      readonly type: string;
      readonly schema?: object;
      readonly example?: string;
      readonly headers?: readonly HeaderName[];
    }
  | { readonly description: string; readonly headers?: readonly HeaderName[] };

/** A header of a reply beside those that every reply has. */
type HeaderName = "IdempotentReplayed" | "Location" | "ETag" | "ContentRange" | "AcceptRanges";

export interface Operation {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly id: string;
  readonly tag: keyof typeof tags;
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  /** Beside those of the path. */
  readonly parameters?: readonly ParameterName[];
  readonly body?: {
    readonly json?: RequestName;
    readonly form?: RequestName;
    /** A command without a body is one without wishes. */
    readonly isOptional?: boolean;
  };
  readonly replies: Readonly<Record<string, Reply>>;
  /** Who may call: whoever shows a key, an admin, or anybody. */
  readonly door?: "key" | "admin" | "open";
  /** What can be wrong, beside what can be with every call of that door. */
  readonly errors?: readonly ProblemCode[];
}
