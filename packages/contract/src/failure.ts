import { z } from "zod";

/** Whether an attempt cost money: `unknown` counts as spent until someone says otherwise. */
export const chargedSchema = z.enum(["yes", "no", "unknown"]);
export type Charged = z.infer<typeof chargedSchema>;

interface FailureRule {
  readonly charged: Charged;
  readonly actor: "producer" | "operator" | "nobody";
  /** Whether a person's retry makes sense as it is, or only if the person insists. */
  readonly retry: "allowed" | "insist";
  readonly meaning: string;
}

/** Why a video failed: a closed set. Each class says whether it was charged and who can act on it. */
export const failureClasses = {
  unsendable: {
    charged: "no",
    actor: "producer",
    retry: "allowed",
    meaning: "a part of the request is gone, so it cannot be sent",
  },
  refused: {
    charged: "no",
    actor: "producer",
    retry: "insist",
    meaning: "the upstream refused the request; the same request would be refused again",
  },
  moderated: {
    charged: "unknown",
    actor: "producer",
    retry: "insist",
    meaning: "the upstream's content policy blocked it; another prompt is needed",
  },
  render_failed: {
    charged: "unknown",
    actor: "producer",
    retry: "allowed",
    meaning: "the upstream accepted it and could not render it",
  },
  task_lost: {
    charged: "unknown",
    actor: "operator",
    retry: "insist",
    meaning: "the upstream no longer knows the task",
  },
  given_up: { charged: "unknown", actor: "operator", retry: "insist", meaning: "no end in sight at the give-up time" },
  lost_to_expiry: {
    charged: "yes",
    actor: "operator",
    retry: "allowed",
    meaning: "the file expired at the upstream before it could be stored",
  },
  unusable_file: {
    charged: "yes",
    actor: "operator",
    retry: "allowed",
    meaning: "what the upstream delivered is not the video",
  },
  source_failed: {
    charged: "no",
    actor: "producer",
    retry: "allowed",
    meaning: "the video that it was to remix failed",
  },
  declared: { charged: "unknown", actor: "nobody", retry: "insist", meaning: "a person gave it up" },
} as const satisfies Record<string, FailureRule>;

export type FailureClass = keyof typeof failureClasses;

export const failureSchema = z.object({
  class: z.enum(Object.keys(failureClasses) as [FailureClass, ...FailureClass[]]),
  /** The upstream's own code where it gave one, else the class. */
  code: z.string(),
  message: z.string(),
});
export type Failure = z.infer<typeof failureSchema>;
