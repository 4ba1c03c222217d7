/** Lets at most `permits` pieces of work run at once; the others wait in the order in which they came. */

export interface Semaphore {
  /**
   * Runs `work` when its turn comes and settles as it does. When `signal` aborts while waiting, rejects with its reason and
   * `work` never starts; once started, ending it is the work's own affair.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function createSemaphore(permits: number): Semaphore {
  if (!Number.isInteger(permits) || permits < 1) throw new RangeError(`a semaphore needs permits, got ${permits}`);
  let free = permits;
  const waiting = new Set<() => void>();

  function acquire(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (free > 0) {
        free--;
        resolve();
        return;
      }
      const onAbort = (): void => {
        waiting.delete(admit);
        reject(signal?.reason);
      };
      const admit = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      waiting.add(admit);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Hands the permit to the longest waiting, so that a newcomer cannot overtake. */
  function release(): void {
    const [next] = waiting;
    if (next === undefined) {
      free++;
      return;
    }
    waiting.delete(next);
    next();
  }

  return {
    async run(work, signal) {
      await acquire(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
  };
}
