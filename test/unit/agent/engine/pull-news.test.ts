import { expect, test } from 'vitest';
import { createPace, describeProgress } from '#agent/engine/pull-news.ts';

test.each([
  [{ currentBytes: 0, totalBytes: 0, status: 'Pulling from web' }, undefined],
  [{ currentBytes: 0, totalBytes: 81_234_567, status: 'Downloading' }, '0 % of 81.2 MB'],
  [{ currentBytes: 80_999_999, totalBytes: 81_234_567, status: 'Downloading' }, '99 % of 81.2 MB'],
  [{ currentBytes: 50_000, totalBytes: 100_000, status: 'Pull complete' }, '50 % of 0.1 MB'],
  [{ currentBytes: 81_234_567, totalBytes: 81_234_567, status: 'Extracting' }, 'unpacking 81.2 MB'],
])('%o is told as %s', (progress, words) => {
  expect(describeProgress(progress)).toBe(words);
});

test('a pace lets through one at a time', () => {
  const isTime = createPace(5000);
  expect([0, 1, 4999, 5000, 9999, 10_000].map(isTime)).toEqual([true, false, false, true, false, true]);
});
