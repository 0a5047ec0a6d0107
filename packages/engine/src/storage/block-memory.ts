/** Memory for blocks of one length. */
export interface BlockMemory {
  readonly blockBytes: number;
  /** Waits until there is room. */
  take(): Promise<Loan>;
}

/** A block's memory, until it is given back. */
export interface Loan {
  /** Whoever lends it on to another thread puts here what comes back. */
  bytes: Buffer;
  /** It has been filled, and is on its way out. */
  full(): void;
  giveBack(): void;
}

/** False where another thread has it still. */
const isHere = (bytes: Buffer): boolean => bytes.length > 0;

/**
 * So many blocks at once, whoever takes them; more only where blocks are filled slowly.
 * @param fillWithinMs who takes longer keeps the memory but no longer the place: slow bodies must not hold up others
 */
export function sharedMemory(blockBytes: number, places: number, fillWithinMs: number): BlockMemory {
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
    const leaveOnce = () => {
      if (hasPlace) leave();
      hasPlace = false;
    };
    const timer = setTimeout(leaveOnce, fillWithinMs);
    loans += 1;
    const loan: Loan = {
      bytes: free.pop() ?? Buffer.allocUnsafeSlow(blockBytes),
      full: () => clearTimeout(timer),
      giveBack() {
        clearTimeout(timer);
        loans -= 1;
        if (free.length < places && isHere(loan.bytes)) free.push(loan.bytes);
        leaveOnce();
        // A night's memory is not kept for the day.
        if (loans === 0) free.length = 0;
      },
    };
    return loan;
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
