/** A token bucket: so many requests a second for ever, and so many at once after a pause. */
import type { Clock } from '#lib/clock.ts';

export interface RateLimit {
  perSecond: number;
  burst: number;
}

/** A function that says whether one more request may pass now. */
export function createRateLimiter({ perSecond, burst }: RateLimit, clock: Pick<Clock, 'now'>): () => boolean {
  let tokens = burst;
  let filledAt = clock.now();
  return () => {
    const now = clock.now();
    // A clock that was set back gives nothing, and takes nothing.
    const elapsedMs = Math.max(0, now - filledAt);
    filledAt = now;
    tokens = Math.min(burst, tokens + (elapsedMs / 1000) * perSecond);
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
