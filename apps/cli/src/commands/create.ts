import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type { Reelq } from "@reelq/sdk";
import { type Command, Option } from "commander";
import { wrongUsage } from "../exit.ts";
import { standardOutput } from "../terminal.ts";
import { videoLine } from "../video-line.ts";
import { requireStored, waitFor } from "../wait-for.ts";

interface CreateOptions {
  readonly model?: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly ref?: string;
  readonly remix?: string;
  readonly key?: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** `reelq create PROMPT`: asks for one video. */
export function addCreate(program: Command, client: () => Reelq): void {
  program
    .command("create")
    .description("Ask for a video.")
    .argument("<prompt>", "what it shows; - reads it from standard input")
    .option("-m, --model <name>", "the model (default: sora-2)")
    .option("-s, --seconds <n>", "clip length in seconds (default: the model's own)")
    .option("--size <WxH>", "pixels (default: 720x1280)")
    .option("-r, --ref <file>", "a reference image: PNG, JPEG or WebP")
    .addOption(
      new Option("--remix <video>", "start from a stored video: its id, or its task's id at the upstream").conflicts([
        "model",
        "seconds",
        "size",
        "ref",
      ]),
    )
    .option("--key <text>", "an idempotency key: the same key and request again is the same video")
    .option("-w, --wait", "wait until the file is stored")
    .option("--json", "print the video as JSON")
    .addHelpText(
      "after",
      `
Examples:
  reelq create "A cat walks on the street" --wait
  reelq create "She turns and smiles" --model sora-2-pro --seconds 25 --ref portrait.png
  reelq create "The same, at night" --remix video_0199…
  reelq create - < storyboard.txt`,
    )
    .action(async (given: string, options: CreateOptions) => {
      const { videos } = client();
      const prompt = given === "-" ? (await buffer(process.stdin)).toString("utf8").trimEnd() : given;
      const call = { idempotencyKey: options.key };
      const handle =
        options.remix === undefined
          ? await videos.create(
              {
                prompt,
                model: options.model,
                seconds: options.seconds,
                size: options.size,
                reference: await readReference(options.ref),
              },
              call,
            )
          : await videos.remix(options.remix, { prompt }, call);
      if (!options.wait) {
        standardOutput.write(
          options.json ? `${JSON.stringify(handle.video, null, 2)}\n` : `${videoLine(handle.video)}\n`,
        );
        return;
      }
      const ended = await waitFor([handle], options.json ? undefined : standardOutput);
      if (options.json) standardOutput.write(`${JSON.stringify(ended[0], null, 2)}\n`);
      requireStored(ended);
    });
}

async function readReference(path: string | undefined): Promise<Blob | undefined> {
  if (path === undefined) return undefined;
  try {
    return new Blob([await readFile(path)]);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw wrongUsage(`--ref: ${path} cannot be read (${unreadable[code] ?? code}).`);
  }
}

const unreadable: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "you may not read it",
};
