/** Counts work that nobody awaits, so that its errors are seen and a shutdown can wait for all of it. */

export interface Background {
  /** Keeps `promise` in sight; a rejection goes to `onError` under `name`. */
  spawn(name: string, promise: Promise<unknown>): void;
  /** Resolves when nothing is under way, work that was spawned meanwhile included. */
  settled(): Promise<void>;
  /** The names of what is under way: what a shutdown that takes too long is waiting for. */
  names(): string[];
}

export interface BackgroundOptions {
  onError(name: string, error: unknown): void;
}

export function createBackground({ onError }: BackgroundOptions): Background {
  const running = new Map<Promise<void>, string>();

  async function watch(name: string, promise: Promise<unknown>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      onError(name, error);
    }
  }

  return {
    spawn(name, promise) {
      const watched: Promise<void> = watch(name, promise).finally(() => running.delete(watched));
      running.set(watched, name);
    },
    async settled() {
      while (running.size > 0) await Promise.all(running.keys());
    },
    names: () => [...running.values()],
  };
}
