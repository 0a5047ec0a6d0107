import type { ClipBody } from "@reelq/contract";

/** How the frames of a sheet are shaped: as its clips are where all are alike, else between them. */
export type Shape = "flat" | "flattish" | "square" | "tall";

/** So many clips say enough of the others. */
const enough = 50;

/** The shape that the first clips ask for; and all clips, from the first on. */
export async function shaped(
  clips: AsyncIterable<ClipBody>,
): Promise<{ readonly shape: Shape; readonly clips: AsyncIterable<ClipBody> }> {
  const rest = clips[Symbol.asyncIterator]();
  const first: ClipBody[] = [];
  while (first.length < enough) {
    const next = await rest.next();
    if (next.done) break;
    first.push(next.value);
  }
  return { shape: shapeOf(first), clips: oneAfterTheOther(first, rest) };
}

export function shapeOf(clips: readonly ClipBody[]): Shape {
  const tall = clips.filter(({ size }) => {
    const [width = 0, height = 0] = size.split("x").map(Number);
    return height > width;
  }).length;
  if (tall === 0) return "flat";
  if (tall === clips.length) return "tall";
  return tall * 4 < clips.length ? "flattish" : "square";
}

async function* oneAfterTheOther(first: readonly ClipBody[], rest: AsyncIterator<ClipBody>): AsyncGenerator<ClipBody> {
  let isDone = false;
  try {
    yield* first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    isDone = true;
  } finally {
    if (!isDone) await rest.return?.();
  }
}
