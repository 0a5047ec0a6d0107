import { isFileId, misfitOf, problem, type Reference } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import type { Engine } from "../engine.ts";
import type { Outside } from "../producer.ts";
import { judgeFit, judgeReference, keepReference } from "../reference.ts";
import { openUploads } from "../uploads.ts";
import { digestOf, kindOfReference } from "./line.ts";

/** Finds the images that a manifest's lines name; each is read once. */
export interface References {
  /** @throws ProblemError that names the field `reference` */
  find(written: string, size: string): Promise<Reference>;
  /** What was found before, where it has another size than its video. */
  misfits(): readonly string[];
}

/** @param keep false: nothing is written, it is only looked whether the image is good */
export function openReferences(
  engine: Engine,
  outside: Pick<Outside, "fetchImage">,
  paths: Readonly<Record<string, string>>,
  caller: Caller,
  keep: boolean,
): References {
  const uploads = openUploads(engine);
  const known = new Map<string, Promise<Reference>>();
  const misfits = new Map<string, string>();

  function bytesOf(written: string): Promise<Uint8Array> {
    switch (kindOfReference(written)) {
      case "file":
        return uploads.image(written, caller);
      case "address":
        return written.startsWith("data:") ? fromDataUrl(written) : outside.fetchImage(written);
      case "path": {
        const file = Object.hasOwn(paths, written) ? paths[written] : undefined;
        if (file === undefined || !isFileId(file))
          throw problem(
            "invalid_value",
            `reference ${JSON.stringify(written.slice(0, 80))} is a path that nothing was uploaded for; name an https URL or a file_… id, or let \`reelq batch\` upload it.`,
            "reference",
          );
        return uploads.image(file, caller);
      }
    }
  }

  async function read(written: string): Promise<Reference> {
    const bytes = await bytesOf(written);
    const reference = judgeReference(bytes, "reference");
    if (keep) await keepReference(engine.storage, reference, bytes);
    return reference;
  }

  return {
    async find(written, size) {
      const name = written.length > 200 ? digestOf([written]) : written;
      const found = known.get(name) ?? Promise.resolve().then(() => read(written));
      known.set(name, found);
      const reference = await found.catch((error: unknown) => {
        throw inField(error);
      });
      if (engine.fleet.refusesMisfits) judgeFit(reference, size);
      const misfit = misfitOf(reference, size);
      if (misfit !== undefined && misfits.size < mostMisfits) misfits.set(`${written} ${size}`.slice(0, 200), misfit);
      return reference;
    },
    misfits: () => [...misfits.values()],
  };
}

const mostMisfits = 10;

/** The problem of an image belongs to the line's `reference`, whatever else calls the field. */
function inField(error: unknown): unknown {
  const { problems } = error as { problems?: readonly { code: never; message: string }[] };
  const [first] = problems ?? [];
  return first ? problem(first.code, first.message.replace(/^input_reference/, "reference"), "reference") : error;
}

async function fromDataUrl(url: string): Promise<Uint8Array> {
  const [, base64] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  if (base64 === undefined || !/^[A-Za-z0-9+/=\s]*$/.test(base64))
    throw problem("invalid_value", "reference is a data: URL that is not base64.", "reference");
  return Buffer.from(base64, "base64");
}
