import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface ChildOptions {
  /** More arguments for node: `--expose-gc`. */
  readonly nodeOptions?: readonly string[];
  /** Hears what the child tells before its result. */
  readonly onTold?: (told: unknown, answer: (message: unknown) => void) => void;
}

type Message =
  | { readonly kind: "told"; readonly told: unknown }
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "failed"; readonly stack: string };

/** Where profiles of the children go, if they are wanted: a folder in REELQ_BENCH_PROFILE. */
const profiling = (): string[] => {
  const folder = process.env["REELQ_BENCH_PROFILE"];
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
};

/**
 * Runs a module in a process of its own, which calls `asChild`.
 * @param module import.meta.resolve("./name.ts")
 * @throws with the child's own words where it fails
 */
export async function inChild<Result>(module: string, input: unknown, options: ChildOptions = {}): Promise<Result> {
  const child = fork(fileURLToPath(module), {
    execArgv: [...(options.nodeOptions ?? []), ...profiling()],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let isOver = false;
  child.on("message", (message: Message) => {
    if (message.kind === "told") return options.onTold?.(message.told, (answer) => child.send({ answer }));
    isOver = true;
    if (message.kind === "result") resolve(message.result as Result);
    else reject(new Error(`${module.split("/").at(-1)} failed: ${message.stack}`));
  });
  child.on("error", reject);
  const exited = new Promise<void>((settle) => {
    child.on("exit", (code, signal) => {
      if (!isOver) reject(new Error(`${module.split("/").at(-1)} ended early (${signal ?? code}).`));
      settle();
    });
  });
  child.send({ input });
  try {
    return await promise;
  } finally {
    // It ends by itself, so that a profile is written.
    await exited;
  }
}

/** How a child speaks to whoever started it. */
export interface Parent {
  tell(told: unknown): void;
  /** The next answer to something that was told. */
  answer(): Promise<unknown>;
}

/** The other end: does the work once, and ends the process. */
export function asChild(work: (input: never, parent: Parent) => Promise<unknown>): void {
  const send = (message: Message) =>
    new Promise<void>((settle) => process.send?.(message, undefined, {}, () => settle()));
  const answers: unknown[] = [];
  let wanted: ((answer: unknown) => void) | undefined;
  const parent: Parent = {
    tell: (told) => void send({ kind: "told", told }),
    answer: () =>
      new Promise((settle) => {
        if (answers.length > 0) settle(answers.shift());
        else wanted = settle;
      }),
  };
  process.once("disconnect", () => process.exit(1));
  process.on("message", (message: { input: never } | { answer: unknown }) => {
    if ("answer" in message) {
      if (wanted) wanted(message.answer);
      else answers.push(message.answer);
      wanted = undefined;
      return;
    }
    work(message.input, parent).then(
      async (result) => {
        await send({ kind: "result", result });
        process.exit(0);
      },
      async (error: Error) => {
        await send({ kind: "failed", stack: error.stack ?? String(error) });
        process.exit(1);
      },
    );
  });
}
