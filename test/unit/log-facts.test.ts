import { Facts } from "@reelq/engine";
import { openLogger } from "@reelq/service";
import { expect, test } from "vitest";
import { logFacts } from "../../apps/worker/src/log-facts.ts";
import { aVideo } from "../support/video.ts";

/** What the worker's log says of what was announced. */
function logged(announce: (facts: Facts) => void): string {
  let text = "";
  const facts = new Facts();
  const log = openLogger({
    name: "worker",
    level: "debug",
    pretty: false,
    destination: { write: (line) => void (text += line) },
  });
  logFacts(facts, log);
  announce(facts);
  return text;
}

const request = { prompt: "a secret campaign", model: "sora-2", seconds: 10, size: "720x1280" };

test("a prompt is in no line, also where an upstream quotes it", () => {
  const message = 'The prompt "a secret campaign" was blocked.';
  const failed = aVideo("failed", { request, failure: { class: "moderated", code: "moderation_blocked", message } });
  const text = logged((facts) => {
    facts.emit("moved", { video: failed, from: "rendering", note: message });
    facts.emit("waited", { video: failed, note: message });
    facts.emit("alarm", { video: failed, alarm: "at_risk", detail: message });
  });
  expect(text).not.toContain("campaign");
  expect(text.match(/The prompt \\"\[prompt\]\\" was blocked\./g)).toHaveLength(4);
});

test("what is said of a video with a short prompt stays whole", () => {
  const failed = aVideo("failed", {
    request: { ...request, prompt: "a" },
    failure: { class: "refused", code: "bad", message: "a bad size" },
  });
  expect(logged((facts) => facts.emit("moved", { video: failed, from: "queued" }))).toContain("a bad size");
});
