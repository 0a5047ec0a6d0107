/** Memory for blocks of one length. */
export interface BlockMemory {
  readonly blockBytes: number;
  /** Waits until there is room. */
  take(): Promise<Loan>;
}

/** A block's memory, until it is given back. */
export interface Loan {
  readonly bytes: Buffer;
  /** It has been filled, and is on its way out. */
  full(): void;
  giveBack(): void;
}

/** Without bounds: whoever takes from it takes few. What was given back is used again. */
export function ownMemory(blockBytes: number): BlockMemory {
  const free: Buffer[] = [];
  return {
    blockBytes,
    async take() {
      const bytes = free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
      return { bytes, full: () => undefined, giveBack: () => void free.push(bytes) };
    },
  };
}

/** Who fills a block for longer keeps the memory but no longer the place: slow bodies must not hold up the others. */
const fillWithinMs = 2_000;

/** So many blocks at once, whoever takes them; more only where blocks are filled slowly. */
export function sharedMemory(blockBytes: number, places: number): BlockMemory {
  const free: Buffer[] = [];
  const waiting: (() => void)[] = [];
  let freePlaces = places;
  let loans = 0;

  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else freePlaces += 1;
  };
  const lend = (): Loan => {
    let hasPlace = true;
    const bytes = free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
    const leaveOnce = () => {
      if (hasPlace) leave();
      hasPlace = false;
    };
    const timer = setTimeout(leaveOnce, fillWithinMs);
    loans += 1;
    return {
      bytes,
      full: () => clearTimeout(timer),
      giveBack() {
        clearTimeout(timer);
        loans -= 1;
        if (free.length < places) free.push(bytes);
        leaveOnce();
        // A night's memory is not kept for the day.
        if (loans === 0) free.length = 0;
      },
    };
  };
  return {
    blockBytes,
    async take() {
      if (freePlaces > 0) freePlaces -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return lend();
    },
  };
}
