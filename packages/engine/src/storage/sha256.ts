import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";

/** The sha256 of a body that comes in blocks. */
export interface Sha256 {
  /**
   * Takes the block's memory, all of what lies around it too, and resolves with the same bytes where they lie then.
   * @param alone whether the block's own sha256 is wanted too
   */
  add(bytes: Buffer, alone: boolean): Promise<Hashed>;
  /** Hex. Of all blocks together; once. */
  digest(): Promise<string>;
  /** However it went. */
  close(): void;
}

interface Hashed {
  readonly bytes: Buffer;
  /** Of this block alone, in hex; empty where it is not wanted. */
  readonly sha256: string;
}

/** What a thread is asked. The bytes are lent, not copied, and come back with the answer. */
export interface Question {
  readonly ask: "open" | "add" | "digest" | "close";
  /** Which of the bodies that come at once. */
  readonly body: number;
  readonly bytes: Uint8Array;
  readonly alone: boolean;
}

export interface Answer {
  /** Hex, or empty. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** On this thread: for what is shorter than the way to another one. */
export function sha256Here(): Sha256 {
  const hash = createHash("sha256");
  return {
    async add(bytes, alone) {
      hash.update(bytes);
      return { bytes, sha256: alone ? createHash("sha256").update(bytes).digest("hex") : "" };
    },
    digest: async () => hash.digest("hex"),
    close: () => undefined,
  };
}

let thread: HashThread | undefined;
let bodies = 0;

/** On a thread of its own, which all bodies of the process share: to hash a body takes longer than all else here. */
export function sha256Elsewhere(): Sha256 {
  thread ??= new HashThread(() => (thread = undefined));
  const { ask } = thread;
  const body = (bodies += 1);
  const say = (what: "open" | "digest" | "close") => ask({ ask: what, body, bytes: new Uint8Array(), alone: false });
  // Answers come in order: who waits for a later one hears of a failure of these too.
  const tell = (what: "open" | "close") => void say(what).catch(() => undefined);
  tell("open");
  return {
    async add(lent, alone) {
      const { bytes, sha256 } = await ask({ ask: "add", body, bytes: lent, alone });
      return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), sha256 };
    },
    digest: async () => (await say("digest")).sha256,
    close: () => tell("close"),
  };
}

class HashThread {
  readonly #worker: Worker;
  readonly #waiting: PromiseWithResolvers<Answer>[] = [];
  #failure: Error | undefined;

  /** @param onEnd told once, when it can be asked no more */
  constructor(onEnd: () => void) {
    this.#worker = new Worker(new URL("sha256-thread.ts", import.meta.url), {
      name: "sha256",
      // It keeps nothing but a few hashes.
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 },
    });
    const end = (error: Error) => {
      // It exits after an error, and by then there may be another one.
      if (this.#failure) return;
      this.#failure = new Error(`The thread that hashes ended: ${error.message}`, { cause: error });
      onEnd();
      for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    };
    this.#worker
      .on("message", (answer: Answer) => {
        this.#waiting.shift()?.resolve(answer);
        // A process with nothing else to do may end.
        if (this.#waiting.length === 0) this.#worker.unref();
      })
      .on("error", end)
      .on("exit", (code) => end(new Error(`exit ${code}`)));
  }

  readonly ask = (question: Question): Promise<Answer> => {
    if (this.#failure) return Promise.reject(this.#failure);
    const answer = Promise.withResolvers<Answer>();
    this.#worker.postMessage(question, [question.bytes.buffer as ArrayBuffer]);
    if (this.#waiting.push(answer) === 1) this.#worker.ref();
    return answer.promise;
  };
}
