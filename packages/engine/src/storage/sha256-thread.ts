import { createHash, type Hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { Answer, Question } from "./sha256.ts";

// The thread of sha256.ts: hashes what it is lent, and answers each question once, in their order.

const bodies = new Map<number, Hash>();

const answers: Readonly<Record<Question["ask"], (question: Question) => Answer>> = {
  open({ body, bytes }) {
    bodies.set(body, createHash("sha256"));
    return { sha256: "", bytes };
  },
  add({ body, bytes, alone }) {
    bodies.get(body)?.update(bytes);
    return { sha256: alone ? createHash("sha256").update(bytes).digest("hex") : "", bytes };
  },
  digest: ({ body, bytes }) => ({ sha256: bodies.get(body)?.digest("hex") ?? "", bytes }),
  close({ body, bytes }) {
    bodies.delete(body);
    return { sha256: "", bytes };
  },
};

parentPort?.on("message", (question: Question) => {
  const answer = answers[question.ask](question);
  parentPort?.postMessage(answer, [answer.bytes.buffer as ArrayBuffer]);
});
