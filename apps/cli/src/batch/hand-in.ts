import type { BatchMistake, BatchOptions } from "@reelq/contract";
import { type BatchCreateBody, type BatchPlanBody, type Reelq, ReelqError } from "@reelq/sdk";
import type { ManifestFile } from "./manifest-file.ts";
import { missingReferences, type Survey, surveyManifest, uploadReferences } from "./references.ts";

/** What became of a manifest that was brought to the API. */
export type HandedIn<Answer> =
  | { readonly kind: "accepted"; readonly answer: Answer }
  /** This machine found mistakes in it; nothing was created, and the plan has the API's too. */
  | { readonly kind: "refused"; readonly plan: BatchPlanBody };

/**
 * Uploads a manifest and the files of this machine that it names, and asks something with them. What was uploaded is
 * deleted again where it is not needed any more.
 * @param isKept whether a batch goes on needing it
 */
export async function handIn<Answer>(
  reelq: Reelq,
  file: ManifestFile,
  options: BatchOptions,
  { ask, isKept }: { readonly ask: (body: BatchCreateBody) => Promise<Answer>; readonly isKept: boolean },
): Promise<HandedIn<Answer>> {
  const uploaded: string[] = [];
  let isNeeded = false;
  try {
    const survey = await surveyManifest(file, options.defaults ?? {});
    const mistakes = await missingReferences(survey);
    const isReadable = survey.unreadable === 0 && mistakes.length === 0;
    const references = isReadable
      ? await uploadReferences(reelq, survey, (id) => uploaded.push(id))
      : { ids: {}, mistakes };
    const manifest = await reelq.files.create(await file.blob(), { purpose: "batch", filename: file.filename });
    uploaded.push(manifest.id);
    const body = bodyOf(manifest.id, { ...options, references: references.ids });
    if (!isReadable || references.mistakes.length > 0) {
      const plan = withLocalMistakes(await reelq.batches.plan(body), survey, references.mistakes);
      if (plan.error_count > 0) return { kind: "refused", plan };
    }
    const answer = await ask(body);
    isNeeded = isKept;
    return { kind: "accepted", answer };
  } catch (error) {
    // Whether a call without an answer took effect is not known: what it may need stays.
    isNeeded = isKept && !(error instanceof ReelqError && error.status < 500);
    throw error;
  } finally {
    if (!isNeeded) await removeAll(reelq, uploaded);
  }
}

const bodyOf = (inputFileId: string, { references, ...options }: BatchOptions): BatchCreateBody => ({
  input_file_id: inputFileId,
  endpoint: "/v1/videos",
  completion_window: "24h",
  reelq: { ...options, ...(references && Object.keys(references).length > 0 ? { references } : {}) },
});

/** What the API says of a reference that was never sent to it, this machine knows better. */
function withLocalMistakes(
  plan: BatchPlanBody,
  { localLines }: Survey,
  mistakes: readonly BatchMistake[],
): BatchPlanBody {
  const isOurs = ({ line, param }: BatchMistake) => line !== null && localLines.has(line) && isReference(param);
  const theirs = plan.errors.filter((mistake) => !isOurs(mistake));
  const errors = [...theirs, ...mistakes].sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
  const count = plan.error_count - (plan.errors.length - theirs.length) + mistakes.length;
  return { ...plan, errors, error_count: count, ok: plan.ok && count === 0 };
}

const isReference = (param: string | null): boolean => param === "reference" || param === "input_reference";

/** What stays behind does no harm. */
async function removeAll({ files }: Reelq, ids: readonly string[]): Promise<void> {
  for (const id of ids) await files.delete(id).catch(() => undefined);
}
