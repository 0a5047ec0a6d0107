import {
  type Catalogue,
  collecting,
  type CreateOptions,
  judgeCreate,
  judgeOptions,
  type Problem,
  ProblemError,
  type VideoRequest,
} from "@reelq/contract";

/** How a call may be known again should it be repeated. */
export interface Repeatable {
  readonly idempotencyKey?: string | undefined;
  /** Without a key: whether a client that counts its tries says that this is not its first. Undefined: it counts none. */
  readonly isRepeat?: boolean | undefined;
}

/** What `input_reference` brought. */
export type ReferenceGiven =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "url"; readonly url: string }
  /** The id of a file that was uploaded before. */
  | { readonly kind: "file"; readonly id: string };

export interface Ask {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly reference?: ReferenceGiven | undefined;
}

/** A request that is whole and valid, but for the bytes of its image. */
export interface Judged {
  readonly request: VideoRequest;
  readonly options: CreateOptions;
  readonly reference?: ReferenceGiven | undefined;
  /** The account that it must go to. */
  readonly upstream?: string;
}

/**
 * Judges all that a create call asks for, but for the bytes of its image.
 * @param judgeWebhookUrl refuses an address that no webhook can be sent to
 * @throws ProblemError with all that is wrong
 */
export function judgeAsk(
  { fields, reference }: Ask,
  catalogue: Catalogue,
  judgeWebhookUrl: (url: string) => void,
): Judged {
  const { reelq, ...asked } = fields;
  const problems: Problem[] = [];
  const request = collecting(problems, () => judgeCreate(asked, catalogue));
  const options = collecting(problems, () => {
    const judged = judgeOptions(reelq);
    if (judged.webhookUrl !== undefined) judgeWebhookUrl(judged.webhookUrl);
    return judged;
  });
  if (request && options && problems.length === 0) return { request, options, reference };
  throw new ProblemError(problems as [Problem, ...Problem[]]);
}
