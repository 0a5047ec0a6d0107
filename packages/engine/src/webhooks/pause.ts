/** A wait that can be cut short. */
export interface Pause {
  /** Resolves after so long, at `wake` or at `end`; at once where `wake` was called since the last wait. */
  wait(ms: number): Promise<void>;
  wake(): void;
  /** No wait takes any time from now on. */
  end(): void;
  isOver(): boolean;
}

export function openPause(): Pause {
  let isAwake = false;
  let isOver = false;
  let rouse: (() => void) | undefined;
  return {
    async wait(ms) {
      if (!isAwake && !isOver) {
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          rouse = resolve;
          timer = setTimeout(resolve, ms);
        });
        clearTimeout(timer);
        rouse = undefined;
      }
      isAwake = false;
    },
    wake() {
      isAwake = true;
      rouse?.();
    },
    end() {
      isOver = true;
      rouse?.();
    },
    isOver: () => isOver,
  };
}
