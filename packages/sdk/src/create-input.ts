import type { Call } from "./transport.ts";

/** A reference image: its bytes, where the API can fetch it (https or a data URL), or a file that was uploaded. */
export type ReferenceInput = Blob | { readonly image_url: string } | { readonly file_id: string };

export interface CreateInput {
  /** What the video shows. */
  readonly prompt: string;
  /** @default "sora-2" */
  readonly model?: string | undefined;
  /** Clip length. @default the model's own */
  readonly seconds?: number | string | undefined;
  /** `WIDTHxHEIGHT` in pixels. @default the model's own */
  readonly size?: string | undefined;
  readonly reference?: ReferenceInput | undefined;
  /** Is told of this video's events, signed with the API key's own signing secret: see `verifyWebhook`. */
  readonly webhookUrl?: string | undefined;
}

/** The body of a create call: a form where there are bytes, which JSON would make a third longer. */
export function createBody(input: CreateInput): Pick<Call, "json" | "form"> {
  const { prompt, model, seconds, size, reference, webhookUrl } = input;
  const fields = { prompt, model, seconds, size };
  if (reference instanceof Blob) return { form: formOf({ ...fields, "reelq[webhook_url]": webhookUrl }, reference) };
  return {
    json: {
      ...fields,
      input_reference: reference,
      reelq: webhookUrl === undefined ? undefined : { webhook_url: webhookUrl },
    },
  };
}

function formOf(fields: object, reference: Blob): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, String(value));
  form.append("input_reference", reference, "reference");
  return form;
}
