import { type Environment, RedisServerError, SettingsError } from "@reelq/service";
import { BadHandleError, ReelqError, UnreachableError } from "@reelq/sdk";
import { CommanderError } from "commander";

/** What the process tells its caller. */
export const exitCodes = { done: 0, workFailed: 1, wrongUsage: 2, nothingAnswered: 3 } as const;

/** A command's own end: the message, where there is one, and the code. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}

export const wrongUsage = (message: string): CommandFailure => new CommandFailure(exitCodes.wrongUsage, message);

/** Turns whatever ended a command into plain words and its exit code. */
export function endWith(error: unknown, env: Environment = {}): void {
  const { exitCode, message } = explain(error, env);
  if (message !== "") process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

function explain(error: unknown, env: Environment): { exitCode: number; message: string } {
  // Commander has written its own message already; asking for help is no mistake.
  if (error instanceof CommanderError)
    return { exitCode: error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUsage, message: "" };
  if (error instanceof CommandFailure || error instanceof SettingsError) return error;
  if (error instanceof RedisServerError) return { exitCode: exitCodes.workFailed, message: error.message };
  if (error instanceof UnreachableError) {
    return {
      exitCode: exitCodes.nothingAnswered,
      message: `Nothing answers at ${error.url}. Start reelq with \`npm start\`, or set REELQ_URL to where its API listens.`,
    };
  }
  if (error instanceof BadHandleError) return { exitCode: exitCodes.wrongUsage, message: error.message };
  if (error instanceof ReelqError && error.code === "unauthorized")
    return { exitCode: exitCodes.wrongUsage, message: env["REELQ_API_KEY"] ? unknownKey : noKey };
  if (error instanceof ReelqError) return { exitCode: codeOf(error), message: inOptions(error) };
  return {
    exitCode: exitCodes.workFailed,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

const noKey = "An API key is needed: set REELQ_API_KEY. `reelq keys create NAME` makes one.";
const unknownKey =
  "The API does not know the key in REELQ_API_KEY, or it was revoked: set REELQ_API_KEY to another one. `reelq keys list` shows which there are.";

/** The API says what to add to the call in JSON; here that is an option. */
const inOptions = ({ message }: ReelqError): string => message.replaceAll(/\{"(insist|abandon)": true\}/g, "--$1");

/** What the caller can mend is wrong usage; a conflict with what is going on, or a fault over there, is not. */
function codeOf({ status }: ReelqError): number {
  return status >= 400 && status < 500 && status !== 409 ? exitCodes.wrongUsage : exitCodes.workFailed;
}
