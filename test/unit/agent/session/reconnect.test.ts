/** The policy of reconnecting, as a function. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nextTry, steadyAfterMs } from '#agent/session/reconnect.ts';
import { seededRandom } from '#lib/random.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

it('every code leads to another try within bounds, except a deregistration', () => {
  const anyEnding = fc.record({
    code: fc.constantFrom(...Object.values(closeCodes), 1000, 1006),
    servedMs: fc.nat({ max: 100_000 }),
    attempt: fc.nat({ max: 10_000 }),
    troubleMs: fc.nat({ max: 10_000_000 }),
  });
  fc.assert(
    fc.property(anyEnding, fc.integer(), (ending, seed) => {
      const next = nextTry(ending, seededRandom(seed));
      if (ending.code === closeCodes.deregistered) {
        expect(next.kind).toBe('never');
        return;
      }
      if (next.kind === 'never') throw new Error('gave up');
      expect(next.afterMs).toBeGreaterThanOrEqual(0);
      expect(next.afterMs).toBeLessThanOrEqual(360_000);
      const isOrdinary = next.afterMs < 200_000;
      if (isOrdinary) expect(next.afterMs).toBeLessThanOrEqual(Math.max(1000, ending.troubleMs));
      expect(next.attempt).toBe(ending.servedMs >= steadyAfterMs ? 1 : ending.attempt + 1);
    }),
  );
});

it('the first waits stay under the ceilings 250, 500, 1000 ms', () => {
  const highest = { next: () => 0.999_999 };
  const waits = [0, 1, 2, 20].map((attempt) => nextTry({ servedMs: 0, attempt, troubleMs: 3_600_000 }, highest));
  expect(waits.map((next) => (next.kind === 'again' ? next.afterMs : -1))).toEqual([250, 500, 1000, 120_000]);
});

it('nobody waits longer than the trouble has lasted, but for a second', () => {
  const highest = { next: () => 0.999_999 };
  const waits = [0, 400, 6000, 50_000].map((troubleMs) => nextTry({ servedMs: 0, attempt: 20, troubleMs }, highest));
  expect(waits.map((next) => (next.kind === 'again' ? next.afterMs : -1))).toEqual([1000, 1000, 6000, 50_000]);
});
