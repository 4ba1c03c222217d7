/** The token buckets of callers. */
import { expect, test } from 'vitest';
import { createRateLimiter } from '#control/api/rate-limit.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

test('a burst passes, then as many as come back each second, for each caller on its own', async () => {
  const clock = new ManualClock();
  const limiter = createRateLimiter({ burst: 3, perSecond: 2 }, clock);
  const admitted = (caller: string, times: number): number =>
    Array.from({ length: times }, () => limiter.admit(caller)).filter(Boolean).length;
  expect(admitted('a', 10)).toBe(3);
  expect(admitted('b', 10)).toBe(3);
  await clock.advance(1000);
  expect(admitted('a', 10)).toBe(2);
  await clock.advance(60_000);
  expect(admitted('a', 10)).toBe(3);
});
