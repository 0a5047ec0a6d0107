import type { VideoBody } from "@reelq/contract";
import { openReelq, type Videos } from "@reelq/sdk";
import type { Environment } from "@reelq/service";
import { CommandFailure, exitCodes } from "../exit.ts";
import { openProgress, type Progress } from "../progress.ts";
import { standardOutput } from "../terminal.ts";
import { scriptFaults } from "./faults.ts";
import { endOf } from "../wait-for.ts";
import { type ManifestLine, readManifest, readReference } from "./manifest.ts";
import { buildStage, type StageSet } from "./stage-set.ts";
import { summarize } from "./summary.ts";

/** Long before this the demo has ended, or something is wrong. */
const deadlineMs = 180_000;

/** Builds the stage, renders every line of the sample batch, says how it went, and leaves only the files. */
export async function playDemo(env: Environment): Promise<void> {
  standardOutput.write("Starting Redis, a simulated upstream, the API and a worker ...\n");
  const stage = await buildStage(env);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => stop.abort(new CommandFailure(exitCodes.workFailed, "The demo was stopped.")));
  const late = setTimeout(
    () =>
      stop.abort(
        new CommandFailure(
          exitCodes.workFailed,
          `The demo did not end within ${deadlineMs / 1000} s; see ${stage.logFile}.`,
        ),
      ),
    deadlineMs,
  );
  try {
    await perform(stage, stop.signal);
  } finally {
    clearTimeout(late);
    await stage.strike();
  }
}

async function perform(stage: StageSet, signal: AbortSignal): Promise<void> {
  const lines = readManifest();
  standardOutput.write(
    `Bull Board, while this runs: ${stage.api}/board\nRendering ${lines.length} prompts, with faults on the way:\n\n`,
  );
  await scriptFaults(stage.simulator);
  const startedAt = performance.now();
  const progress = openProgress(standardOutput);
  const videos = await renderAll(lines, openReelq({ url: stage.api }).videos, progress, signal);
  progress.end();
  const summary = await summarize(lines, videos, stage.simulator, performance.now() - startedAt);
  standardOutput.write(`\n${summary.text}\n`);
  if (!summary.ok)
    throw new CommandFailure(exitCodes.workFailed, `Not every video was stored as it should be; see ${stage.logFile}.`);
}

/** All at once; a remix as soon as its source is stored. In the order of the lines. */
function renderAll(
  lines: readonly ManifestLine[],
  videos: Videos,
  progress: Progress,
  signal: AbortSignal,
): Promise<VideoBody[]> {
  const ends = new Map<string, Promise<VideoBody>>();
  const render = async (line: ManifestLine): Promise<VideoBody> => {
    const source = line.remix_of === undefined ? undefined : await ends.get(line.remix_of);
    const handle = source
      ? await videos.remix(source.id, { prompt: line.prompt })
      : await videos.create({
          ...line,
          reference: line.reference === undefined ? undefined : readReference(line.reference),
        });
    progress.update(handle.video);
    return endOf(handle, { signal, everyMs: 250, onUpdate: (seen) => progress.update(seen) });
  };
  for (const line of lines) {
    const end = render(line);
    // Whoever waits for all of them hears of it; a remix may hear of it first.
    end.catch(() => undefined);
    ends.set(line.id, end);
  }
  return Promise.all(ends.values());
}
