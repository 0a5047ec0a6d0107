import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";

/** Of one write. */
const pieceBytes = 256 * 1024;

/**
 * Has the memory touched in which the system will keep so many bytes of files. A virtual machine may have given the
 * memory of files that were removed back to its host; whoever comes first then pays for getting it again, up to as
 * much as the rest of the work takes, and it should be no side of a comparison.
 */
export async function touched(bytes: number): Promise<void> {
  const path = join(tmpdir(), `reelq-touched-${randomUUID()}`);
  const file = await open(path, "wx");
  try {
    const piece = Buffer.alloc(pieceBytes);
    for (let left = bytes; left > 0; left -= piece.length) await file.write(piece);
  } finally {
    await file.close();
    await rm(path);
  }
}
