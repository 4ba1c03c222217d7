import { expect, test } from 'vitest';
import { createRateLimiter } from '#agent/metadata/rate-limit.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const passing = (allows: () => boolean, times: number): number =>
  Array.from({ length: times }, allows).filter(Boolean).length;

test('so many pass at once, and so many a second after that', async () => {
  const clock = new ManualClock();
  const allows = createRateLimiter({ perSecond: 40, burst: 60 }, clock);
  expect(passing(allows, 100)).toBe(60);
  await clock.advance(500);
  expect(passing(allows, 100)).toBe(20);
  await clock.advance(3_600_000);
  expect(passing(allows, 100)).toBe(60);
});

test('a clock that is set back neither gives nor takes', () => {
  let now = 1_000_000;
  const allows = createRateLimiter({ perSecond: 1, burst: 2 }, { now: () => now });
  expect(passing(allows, 2)).toBe(2);
  now -= 500_000;
  expect(allows()).toBe(false);
  now += 1000;
  expect(allows()).toBe(true);
});
