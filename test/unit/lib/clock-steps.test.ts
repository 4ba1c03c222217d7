/** A clock that is set is told from one that goes on. */
import { expect, it } from 'vitest';
import { watchClockSteps } from '#lib/clock-steps.ts';

it('tells by how much a clock was set, once, and nothing of one that goes on or is kept right', () => {
  const clock = { wall: 1_000_000, run: 50 };
  const step = watchClockSteps({ now: () => clock.wall, elapsed: () => clock.run });
  const pass = (ms: number, setMs = 0): number => {
    clock.wall += ms + setMs;
    clock.run += ms;
    return step();
  };
  expect(pass(86_400_000)).toBe(0);
  expect(pass(10, 86_400_000)).toBe(86_400_000);
  expect(pass(10)).toBe(0);
  expect(pass(10, -3_600_000)).toBe(-3_600_000);
  expect(pass(10, 900)).toBe(0);
  // What is kept right for long enough adds up to a step.
  expect(pass(10, 900)).toBe(1800);
});
