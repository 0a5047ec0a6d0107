import type { Environment } from "@reelq/service";
import { openReelq } from "@reelq/sdk";
import { Command } from "commander";
import { addAppCommands, addAudit, addDoctor } from "./commands/app.ts";
import { addBatch } from "./commands/batch.ts";
import { addCancel } from "./commands/cancel.ts";
import { addCreate } from "./commands/create.ts";
import { addDemo } from "./commands/demo.ts";
import { addExplain } from "./commands/explain.ts";
import { addKeys } from "./commands/keys.ts";
import { addList } from "./commands/list.ts";
import { addResolve } from "./commands/resolve.ts";
import { addRetry } from "./commands/retry.ts";
import { addShow } from "./commands/show.ts";
import { addUp } from "./commands/up.ts";
import { addWait } from "./commands/wait.ts";
import { readClientEnvironment } from "./env.ts";
import { besideApi } from "./running.ts";

/** The `reelq` command with all that is below it. */
export function openProgram(env: Environment): Command {
  const program = new Command("reelq")
    .description("A job queue for AI video rendering: prompts in, verified files out.")
    .exitOverride()
    .showHelpAfterError("Add --help to see what is possible.")
    .showSuggestionAfterError()
    .addHelpText("after", teaching);
  const settings = () => readClientEnvironment(besideApi(env));
  const client = () => {
    const { reelqUrl, reelqApiKey } = settings();
    // A person waits for the answer: better told soon that nobody is there.
    return openReelq({ url: reelqUrl, key: reelqApiKey, tries: 3 });
  };
  addUp(program, env);
  addDemo(program, env);
  addAppCommands(program, env);
  addAudit(program, env);
  addDoctor(program, env);
  addKeys(program, env);
  addCreate(program, client);
  addList(program, client);
  addShow(program, client);
  addExplain(program, client);
  addWait(program, client);
  addCancel(program, client);
  addRetry(program, client);
  addResolve(program, client);
  addBatch(program, client, () => settings().reelqUrl);
  return program;
}

const teaching = `
First steps:
  reelq demo                                       renders a sample batch against a simulated upstream, then stops
  reelq up                                         starts everything and keeps it running
  reelq create "A cat walks on the street" --wait  asks for a video and waits until its file is stored
  reelq list --status in_progress                  what is going on

Exit codes: 0 done, 1 the work failed, 2 wrong usage or settings, 3 nothing answered.
The client commands find the API at REELQ_URL; without it at what reelq up runs in this folder, else at
http://127.0.0.1:8787. They show it REELQ_API_KEY.`;
