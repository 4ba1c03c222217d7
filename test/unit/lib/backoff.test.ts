import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fullJitter, jittered } from '#lib/backoff.ts';
import { seededRandom } from '#lib/random.ts';

const policies = fc.record({
  baseMs: fc.integer({ min: 1, max: 10_000 }),
  maxMs: fc.integer({ min: 10_000, max: 600_000 }),
  factor: fc.double({ min: 1, max: 4, noNaN: true }),
});
const attempts = fc.nat(2000);

describe('full jitter', () => {
  it('is whole milliseconds between nothing and the ceiling of the attempt, never above the maximum', () => {
    fc.assert(
      fc.property(policies, attempts, fc.integer(), (policy, attempt, seed) => {
        const wait = fullJitter(policy, attempt, seededRandom(seed));
        const ceiling = Math.min(policy.maxMs, policy.baseMs * policy.factor ** attempt);
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(Math.ceil(ceiling));
      }),
    );
  });
});

describe('a jittered wait', () => {
  it('stays within its fraction of the ceiling, never above the maximum', () => {
    fc.assert(
      fc.property(policies, attempts, fc.integer(), (policy, attempt, seed) => {
        const wait = jittered({ ...policy, jitter: 0.2 }, attempt, seededRandom(seed));
        const ceiling = Math.min(policy.maxMs, policy.baseMs * policy.factor ** attempt);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(ceiling * 0.8));
        expect(wait).toBeLessThanOrEqual(Math.min(policy.maxMs, Math.ceil(ceiling * 1.2)));
      }),
    );
  });

  it('grows by the factor from attempt to attempt', () => {
    const middle = { next: () => 0.5 };
    const policy = { baseMs: 100, maxMs: 1000, factor: 2, jitter: 0.2 };
    expect([0, 1, 2, 3, 4].map((attempt) => jittered(policy, attempt, middle))).toEqual([100, 200, 400, 800, 1000]);
  });
});
