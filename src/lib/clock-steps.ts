/** Tells a wall clock that was set from one that only went on, so that what waits for a moment can be moved along. */
import type { Clock } from './clock.ts';

/** Less is how a clock is kept right, and disturbs nobody. */
const leastMs = 1000;

/** Each call answers by how many milliseconds the clock was set since the call before; 0 when it was not. */
export function watchClockSteps(clock: Pick<Clock, 'now' | 'elapsed'>): () => number {
  let offset = clock.now() - clock.elapsed();
  return () => {
    const current = clock.now() - clock.elapsed();
    const step = current - offset;
    if (Math.abs(step) < leastMs) return 0;
    offset = current;
    return Math.round(step);
  };
}
