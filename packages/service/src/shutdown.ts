import { setTimeout as delay } from "node:timers/promises";

const SECOND = 1_000;

/** What a shutdown writes to: pino's logger fits. */
export interface ShutdownLog {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface ShutdownOptions {
  readonly log: ShutdownLog;
  /** How long all steps together may take. */
  readonly deadlineMs?: number;
  /** The same after a crash, where the steps may well hang. */
  readonly crashDeadlineMs?: number;
  /** What an orderly end after a signal exits with: 0, or 128 and the signal's number, as a shell says it. */
  readonly exitCodeAfterSignal?: "zero" | "signal";
  /**
   * Signals this close together are one: a terminal's Ctrl-C reaches a process from the terminal, and again from
   * npm and from the starter that both pass it on.
   */
  readonly sameSignalMs?: number;
}

export interface Shutdown {
  /** Aborted as soon as the end begins. */
  readonly signal: AbortSignal;
  /** Adds a step. Steps run one after the other, the last added first. Returns what takes the step back. */
  onShutdown(name: string, step: () => Promise<unknown> | void): () => void;
  /** Ends the process by itself: runs the steps, then exits. */
  begin(reason: string, exitCode?: number): Promise<never>;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<unknown> | void;
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type Signal = keyof typeof signalNumbers;

/**
 * Ends this process in order on SIGTERM, SIGINT, SIGHUP, a crash, or the death of the parent that opened an IPC
 * channel to it. A second signal ends it at once.
 */
export function openShutdown({
  log,
  deadlineMs = 20 * SECOND,
  crashDeadlineMs = 5 * SECOND,
  exitCodeAfterSignal = "zero",
  sameSignalMs = 0.5 * SECOND,
}: ShutdownOptions): Shutdown {
  const steps: Step[] = [];
  const begun = new AbortController();
  let firstSignalAt: number | undefined;

  const end = async (reason: string, exitCode: number, limitMs: number): Promise<never> => {
    // Whoever comes second waits for the first one's exit.
    if (begun.signal.aborted) return new Promise<never>(() => {});
    begun.abort(new Error(reason));
    log.info({ reason }, "shutting down");
    const clean = await runSteps(steps, limitMs, log);
    process.exit(clean ? exitCode : exitCode || 1);
  };

  const onSignal = (signal: Signal): void => {
    const number = 128 + signalNumbers[signal];
    const now = performance.now();
    if (firstSignalAt !== undefined && now - firstSignalAt < sameSignalMs) return;
    if (firstSignalAt !== undefined || begun.signal.aborted) process.exit(number);
    firstSignalAt = now;
    void end(signal, exitCodeAfterSignal === "zero" ? 0 : number, deadlineMs);
  };

  const onCrash = (error: unknown, origin: string): void => {
    log.error({ err: error }, origin === "unhandledRejection" ? "a rejection that nobody handled" : "a crash");
    void end("crash", 1, crashDeadlineMs);
  };

  for (const signal of Object.keys(signalNumbers) as Signal[]) process.on(signal, onSignal);
  // Without a listener of its own, an unhandled rejection arrives here as well.
  process.on("uncaughtException", onCrash);
  process.on("disconnect", () => onSignal("SIGTERM"));
  // That listener would keep an otherwise finished process alive.
  process.channel?.unref();

  return {
    signal: begun.signal,
    onShutdown(name, run) {
      const step = { name, run };
      steps.push(step);
      return () => {
        const index = steps.indexOf(step);
        if (index >= 0) steps.splice(index, 1);
      };
    },
    begin: (reason, exitCode = 0) => end(reason, exitCode, deadlineMs),
  };
}

/** Runs the steps and says whether every one of them came to its end in time. */
async function runSteps(steps: Step[], limitMs: number, log: ShutdownLog): Promise<boolean> {
  let clean = true;
  let current: string | undefined;
  const all = async () => {
    // A step may add another; it runs next.
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      current = step.name;
      try {
        await step.run();
      } catch (error) {
        clean = false;
        log.error({ err: error, step: step.name }, "a step of the shutdown failed");
      }
    }
    return "done";
  };
  const outcome = await Promise.race([all(), delay(limitMs, "late")]);
  if (outcome === "done") return clean;
  log.error({ step: current, left: steps.length, limitMs }, "the shutdown took too long");
  return false;
}
