import type { Request } from "express";

/** What is still sent after a refusal is read and thrown away up to here: cut off sooner, its sender never sees the reply. */
const mostBytes = 256 * 1024 * 1024;
const mostMs = 30_000;

/** Lets whoever was refused before its body was read send it to its end, so that it reads what it was told. */
export function drain(request: Request): void {
  const { socket } = request;
  const limit = socket.bytesRead + mostBytes;
  const cut = (): void => void socket.destroy();
  const timer = setTimeout(cut, mostMs);
  request.on("data", () => {
    if (socket.bytesRead > limit) cut();
  });
  for (const over of ["end", "close"] as const) request.once(over, () => clearTimeout(timer));
  request.resume();
}
