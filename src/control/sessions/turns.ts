/** Work under one key runs one after the other, in the order in which it came; keys do not wait for each other. */

export interface Turns {
  /** Settles as `work` does. */
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();

  return {
    async take(key, work) {
      const before = last.get(key);
      const { promise: done, resolve } = Promise.withResolvers<void>();
      last.set(key, done);
      try {
        await before;
        return await work();
      } finally {
        if (last.get(key) === done) last.delete(key);
        resolve();
      }
    },
  };
}
