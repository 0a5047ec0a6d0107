import type { CreateOutcome } from "./upstream.ts";

/** What a create's body is sent as. */
export type BodyForm = "multipart" | "json";

type Refused = Extract<CreateOutcome, { kind: "refused" }>;
type Reformat = Extract<CreateOutcome, { kind: "reformat" }>;

/** Which form of body a server takes, learned from its replies; many creates may be in the air at once. */
export interface FormMemory {
  /** The form for the next create. */
  readonly form: BodyForm;
  /** A task was created from this form: it stays. */
  accepted(form: BodyForm): void;
  /** This form was read, and what it asked for was refused. */
  read(form: BodyForm): void;
  /** This form was refused unread: whether the other one is still to be tried, or the refusal stands. */
  refusedUnread(form: BodyForm, refusal: Refused): Refused | Reformat;
}

const first: BodyForm = "multipart";

const otherThan = (form: BodyForm): BodyForm => (form === "json" ? "multipart" : "json");

export function formMemory(): FormMemory {
  let form = first;
  let isProven = false;
  /** The last refusal of each form that was refused unread. */
  const refusals: Partial<Record<BodyForm, Refused>> = {};
  return {
    get form() {
      return form;
    },
    accepted(used) {
      if (!isProven) form = used;
      isProven = true;
    },
    read(used) {
      // The refusal of the other form may have been a mistake of its words, so that form may be tried once more.
      delete refusals[otherThan(used)];
    },
    refusedUnread(used, refusal) {
      const other = otherThan(used);
      if (isProven) return used === form ? refusal : reformat(refusal);
      refusals[used] = refusal;
      const isOtherOpen = refusals[other] === undefined;
      // Of many creates in the air in the same form only the first turns it over. It turns also where both forms were
      // refused: a server that is mended is found, whichever form it takes then.
      if (form === used) form = other;
      return isOtherOpen ? reformat(refusal) : (refusals[first] ?? refusal);
    },
  };
}

const reformat = (refusal: Refused): Reformat => ({ kind: "reformat", reason: refusal.message });
