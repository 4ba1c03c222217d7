/** A token bucket for each caller: short bursts pass, a runaway loop does not starve the others. */
import type { Clock } from '#lib/clock.ts';

export interface RateLimit {
  /** How many requests may come at once after a quiet time. */
  burst: number;
  /** How many come back each second. */
  perSecond: number;
}

export interface RateLimiter {
  /** False when `caller` has used up its share for now. */
  admit(caller: string): boolean;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** Beyond this many callers, the ones whose buckets are full again are forgotten. */
const callersKept = 10_000;

export function createRateLimiter({ burst, perSecond }: RateLimit, clock: Pick<Clock, 'now'>): RateLimiter {
  const buckets = new Map<string, Bucket>();

  function tokensNow(bucket: Bucket, now: number): number {
    return Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.filledAt) / 1000) * perSecond);
  }

  function forgetFull(now: number): void {
    for (const [caller, bucket] of buckets) if (tokensNow(bucket, now) >= burst) buckets.delete(caller);
  }

  return {
    admit(caller) {
      const now = clock.now();
      const bucket = buckets.get(caller) ?? { tokens: burst, filledAt: now };
      const tokens = tokensNow(bucket, now);
      const admitted = tokens >= 1;
      buckets.set(caller, { tokens: admitted ? tokens - 1 : tokens, filledAt: now });
      if (buckets.size > callersKept) forgetFull(now);
      return admitted;
    },
  };
}
