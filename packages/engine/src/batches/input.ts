import { problem, ProblemError } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import type { Upload, Uploads } from "../uploads.ts";

/** An uploaded manifest. @throws ProblemError that names the field `input_file_id` */
export async function readInput(id: string, uploads: Pick<Uploads, "read">, caller: Caller): Promise<Upload> {
  try {
    return await uploads.read(id, caller);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw problem(error.code, error.message, "input_file_id", { cause: error });
  }
}
