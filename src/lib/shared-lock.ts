/**
 * Many may hold it together, or one alone. Whoever wants it alone does not wait, and so never holds up the many: he comes back later.
 */

export interface SharedLock {
  /** Waits only for the one who has it alone. */
  shared<T>(work: () => Promise<T>): Promise<T>;
  /** Undefined, and `work` not begun, when anybody holds it. */
  alone<T>(work: () => Promise<T>): Promise<T> | undefined;
}

export function createSharedLock(): SharedLock {
  let sharing = 0;
  let alone: Promise<void> | undefined;

  return {
    async shared(work) {
      while (alone !== undefined) await alone;
      sharing++;
      try {
        return await work();
      } finally {
        sharing--;
      }
    },
    alone(work) {
      if (alone !== undefined || sharing > 0) return undefined;
      const over = Promise.withResolvers<void>();
      alone = over.promise;
      return work().finally(() => {
        alone = undefined;
        over.resolve();
      });
    },
  };
}
