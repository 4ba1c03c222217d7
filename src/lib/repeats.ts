/**
 * What may happen a thousand times in a second is told once: the first time at once, how often it was repeated when the window is over. Keys come from outside
 * (addresses), so their number is bounded too.
 */
import type { Clock, Timer } from './clock.ts';

export interface Repeats {
  /** Calls `tell(0)` for the first of `key` in a window, and after the window once more with the number of repetitions, if there were any. */
  note(key: string, tell: (repeated: number) => void): void;
  /** Tells what is left to tell. */
  stop(): void;
}

const rememberedKeys = 1000;
/** Those that come on top share this one. */
const otherKeys = '';

export function createRepeats(clock: Pick<Clock, 'after'>, windowMs: number): Repeats {
  const windows = new Map<string, { repeated: number; tell: (repeated: number) => void; timer: Timer }>();

  function end(key: string): void {
    const window = windows.get(key);
    windows.delete(key);
    window?.timer.cancel();
    if (window !== undefined && window.repeated > 0) window.tell(window.repeated);
  }

  return {
    note(key, tell) {
      const own = windows.has(key) || windows.size < rememberedKeys ? key : otherKeys;
      const window = windows.get(own);
      if (window !== undefined) {
        window.repeated += 1;
        return;
      }
      tell(0);
      const timer = clock.after(windowMs, () => end(own), { background: true });
      windows.set(own, { repeated: 0, tell, timer });
    },
    stop() {
      for (const key of windows.keys()) end(key);
    },
  };
}
