import type { BatchRetriedBody, BatchRetryBody, Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { CommandFailure, exitCodes, wrongUsage } from "../exit.ts";
import { shorten, standardOutput } from "../terminal.ts";
import { batchLine } from "./batch-line.ts";
import { openManifest } from "./manifest-file.ts";
import { readPrompts } from "./prompts.ts";
import { findBatch, whichBatch } from "./which.ts";

interface RetryOptions {
  readonly prompts?: string;
  readonly insist?: boolean;
  readonly json?: boolean;
}

/** `reelq batch retry ID [CUSTOM_ID...]`: failed clips again. */
export function addBatchRetry(batch: Command, { client }: BatchTools): void {
  batch
    .command("retry")
    .description("Try failed clips of a batch again, which may cost money: all that may be, or those that are named.")
    .argument("<id>", whichBatch)
    .argument("[custom-id...]", "only these lines, by their own ids")
    .option(
      "--prompts <file>",
      'try those of this file, each with the prompt there: a manifest, or JSON {"id": "prompt"}',
    )
    .option("--insist", "even where a failure says that it will fail again, or may have been paid for")
    .option("--json", "print the reply as JSON")
    .addHelpText(
      "after",
      `
Examples:
  reelq batch retry last
  reelq batch retry last shot-017 --insist
  reelq batch retry last --prompts softer-words.csv`,
    )
    .action(async (which: string, customIds: string[], { prompts, insist, json }: RetryOptions) => {
      const reelq = client();
      const id = await findBatch(reelq, which);
      const bodies = prompts === undefined ? [named(customIds)] : await promptsOf(reelq, id, prompts, customIds);
      const reply = await retryAll(reelq, id, bodies, insist === true);
      const count = `${reply.retried} clip${reply.retried === 1 ? " is" : "s are"} tried again`;
      const goesOn = reply.batch.reelq.state === "paused" ? `It is paused: reelq batch resume ${id} goes on.\n` : "";
      standardOutput.write(
        json ? `${JSON.stringify(reply, null, 2)}\n` : `${count}\n${batchLine(reply.batch)}\n${goesOn}`,
      );
    });
}

const named = (customIds: readonly string[]): BatchRetryBody =>
  customIds.length > 0 ? { custom_ids: [...customIds] } : {};

/** One call after the other: what many prompts take is more than one may bring. */
async function retryAll(
  { batches }: Reelq,
  id: string,
  bodies: readonly BatchRetryBody[],
  insist: boolean,
): Promise<BatchRetriedBody> {
  let retried = 0;
  let last: BatchRetriedBody | undefined;
  for (const body of bodies) {
    last = await batches.retry(id, { ...body, ...(insist ? { insist } : {}) });
    retried += last.retried;
  }
  if (!last) throw new Error("There was nothing to try again.");
  return { ...last, retried };
}

/** The prompts of those that failed, a call's worth at a time: a manifest that was mended may be given whole. */
async function promptsOf(
  reelq: Reelq,
  id: string,
  path: string,
  customIds: readonly string[],
): Promise<BatchRetryBody[]> {
  const file = await openManifest(path);
  try {
    const given = await readPrompts(file);
    const strange = customIds.find((one) => !given.has(one));
    if (strange !== undefined)
      throw wrongUsage(`${file.title} has no prompt for ${JSON.stringify(shorten(strange, 80))}.`);
    const failed = new Set<string>();
    for await (const clip of reelq.batches.allClips(id, { status: "failed", limit: 500 })) failed.add(clip.custom_id);
    const wanted = customIds.length > 0 ? customIds : [...given.keys()].filter((one) => failed.has(one));
    if (wanted.length === 0)
      throw new CommandFailure(exitCodes.workFailed, `None of the clips that ${file.title} has prompts for failed.`);
    return inCalls(wanted.map((one) => [one, given.get(one) ?? ""]));
  } finally {
    file.letGo();
  }
}

/** A call brings so many prompts at most, and so many characters of them. */
const mostPrompts = 500;
const mostCharacters = 2_000_000;

function inCalls(prompts: readonly (readonly [string, string])[]): BatchRetryBody[] {
  const calls: (readonly [string, string])[][] = [];
  let characters = 0;
  for (const prompt of prompts) {
    characters += prompt[1].length;
    const call = calls.at(-1);
    if (call && call.length < mostPrompts && characters <= mostCharacters) call.push(prompt);
    else {
      calls.push([prompt]);
      characters = prompt[1].length;
    }
  }
  return calls.map((call) => ({ custom_ids: call.map(([id]) => id), prompts: Object.fromEntries(call) }));
}
