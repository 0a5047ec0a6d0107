import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import type { Upstream } from "@reelq/upstream";
import { expect, onTestFinished, test } from "vitest";
import { type Script, speaking } from "../support/scripted-upstream.ts";

const MiB = 1024 * 1024;
/** What may lie between the wire and the reader when the reader stops. */
const inPassing = 512 * 1024;

const calls: [string, number, (upstream: Upstream) => Promise<unknown>, unknown][] = [
  [
    "create",
    MiB,
    (upstream) => upstream.create({ prompt: "a", model: "m", seconds: 4, size: "1x1" }),
    { kind: "in_doubt", reason: expect.stringContaining(`longer than ${MiB} bytes`) },
  ],
  [
    "retrieve",
    8 * MiB,
    (upstream) => upstream.retrieve("v"),
    { kind: "missed", infrastructure: true, reason: expect.stringContaining("longer than") },
  ],
  ["list", 8 * MiB, (upstream) => upstream.list(), { kind: "missed", reason: expect.stringContaining("longer than") }],
  [
    // It may hold the file itself, as a data: address.
    "content",
    32 * MiB,
    (upstream) => upstream.content("v"),
    { kind: "missed", reason: expect.stringContaining("longer than") },
  ],
  [
    "probe",
    8 * MiB,
    (upstream) => upstream.probe(),
    { kind: "strange", reason: expect.stringContaining("longer than") },
  ],
  ["remove", 8 * MiB, async (upstream) => ({ removed: await upstream.remove("v") }), { removed: false }],
];

test.each(calls)("100 MB of JSON are let go while they come: %s", async (_name, limit, call, expected) => {
  const sockets = clientSockets();
  const { upstream } = await speaking(floods);
  expect(await call(upstream)).toMatchObject(expected as object);
  expect(sockets.length).toBeGreaterThan(0);
  for (const { bytesRead } of sockets) {
    expect(bytesRead).toBeGreaterThan(limit);
    expect(bytesRead).toBeLessThan(limit + inPassing);
  }
});

/** A task that never comes to an end, as far as anybody reads. */
const floods: Script = (_seen, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"id":"v","status":"processing","prompt":"');
  let left = 100_000_000;
  const chunk = Buffer.alloc(65_536, "x");
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return void response.once("drain", more);
    }
    response.end('"}');
  };
  more();
};

/** Every connection that is made from here until the test ends. */
function clientSockets(): readonly Socket[] {
  const sockets: Socket[] = [];
  const keep = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
  subscribe("net.client.socket", keep);
  onTestFinished(() => void unsubscribe("net.client.socket", keep));
  return sockets;
}
