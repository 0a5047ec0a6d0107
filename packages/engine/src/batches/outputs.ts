import { Readable } from "node:stream";
import { errorBody, problem, type Video, videoBody } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { openUploads } from "../uploads.ts";
import type { Clip } from "./clip.ts";
import { readPairs } from "./pairs.ts";
import type { BatchRecord } from "./record.ts";

/**
 * Writes a batch's output and error files, JSONL in the OpenAI shape: a line for each clip, in the manifest's order.
 * @returns the batch's fields that name them, in pairs
 */
export async function writeOutputs(batch: BatchRecord, engine: Engine): Promise<string[]> {
  const uploads = openUploads(engine);
  const caller = { project: batch.spec.project, key: batch.spec.key, isAdmin: false };
  const write = async (
    field: "outputFile" | "errorFile",
    name: string,
    lineOf: (clip: Clip, video: Video | undefined) => string | undefined,
  ): Promise<string[]> => {
    let lines = 0;
    const body = async function* () {
      for await (const { clip, video } of readPairs(batch, engine)) {
        const line = lineOf(clip, video);
        if (line === undefined) continue;
        lines += 1;
        yield `${line}\n`;
      }
    };
    const kept = await uploads.keep(Readable.from(body()), name, caller);
    if (lines > 0) return [field, (await uploads.record(kept, "batch_output")).id];
    await uploads.discard(kept);
    return [];
  };
  return [
    ...(await write("outputFile", `${batch.id}_output.jsonl`, (clip, video) =>
      video?.status === "stored" ? outputLine(clip, video) : undefined,
    )),
    ...(await write("errorFile", `${batch.id}_error.jsonl`, (clip, video) =>
      video?.status === "stored" || clip.waived ? undefined : errorLine(clip, video),
    )),
  ];
}

/** As lines name a source: `shot-1`, and `shot-1/2` for its second take. */
const customIdOf = ({ customId, take }: Clip): string => (take === 1 ? customId : `${customId}/${take}`);

const outputLine = (clip: Clip, video: Video): string =>
  JSON.stringify({
    id: requestId(video),
    custom_id: customIdOf(clip),
    response: { status_code: 200, request_id: requestId(video), body: videoBody(video) },
    error: null,
  });

function errorLine(clip: Clip, video: Video | undefined): string {
  const { code, message } = (video && videoBody(video).error) ?? {
    code: "deleted",
    message: `${clip.video} was deleted.`,
  };
  const body = video ? videoBody(video) : errorBody(problem("not_found", message));
  return JSON.stringify({
    id: requestId({ id: clip.video }),
    custom_id: customIdOf(clip),
    response: { status_code: video ? 200 : 404, request_id: requestId({ id: clip.video }), body },
    error: { code, message },
  });
}

const requestId = ({ id }: Pick<Video, "id">): string => `batch_req_${id.slice("video_".length)}`;
