import { isAllowed, isFinal, moves, publicStatus, type Status, statuses } from "@reelq/contract";
import { describe, expect, test } from "vitest";

const reachableFrom = (start: Status): Set<Status> => {
  const reached = new Set<Status>([start]);
  for (const status of reached) for (const { from, to } of moves) if (from === status) reached.add(to);
  return reached;
};

describe("the table of moves", () => {
  test("allows what it lists and nothing else", () => {
    const listed = new Set(moves.map(({ from, to }) => `${from}>${to}`));
    for (const from of statuses)
      for (const to of statuses) expect(isAllowed(from, to)).toBe(listed.has(`${from}>${to}`));
  });

  test("lists each move once", () => {
    expect(new Set(moves.map(({ from, to }) => `${from}>${to}`)).size).toBe(moves.length);
  });

  test("leads from queued to every status", () => {
    expect([...reachableFrom("queued")].toSorted()).toEqual([...statuses].toSorted());
  });

  test("lets no stage move a final video on", () => {
    expect(statuses.filter(isFinal)).toEqual(["stored", "failed", "cancelled"]);
    for (const { from, by } of moves) if (isFinal(from)) expect(by).toEqual(["person"]);
  });

  test("has a way to a final status from everywhere", () => {
    for (const status of statuses) expect([...reachableFrom(status)].some(isFinal)).toBe(true);
  });

  test("never leads from a paid status back to the queue but through a doubt, a proof or a person", () => {
    const back = moves.filter(({ to, from }) => to === "queued" && from !== "queued").map(({ from }) => from);
    expect(back.toSorted()).toEqual(["failed", "in_doubt", "submitting"]);
  });

  test("tells clients of the OpenAI shape one of its four words", () => {
    expect(publicStatus).toEqual({
      queued: "queued",
      submitting: "queued",
      in_doubt: "queued",
      rendering: "in_progress",
      downloading: "in_progress",
      stored: "completed",
      failed: "failed",
      cancelled: "failed",
    });
  });
});
