import { expect, it } from 'vitest';
import { createReadingPace } from '#control/sessions/reading-pace.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const limits = { burst: 10, perSecond: 5 };

function heardOf(clock: ManualClock, messages: number, bytes = 100): number[] {
  const pace = createReadingPace(clock, limits);
  return Array.from({ length: messages }, () => pace.heard(bytes));
}

it('hears a burst without a pause, and pauses for what is above it', () => {
  const pauses = heardOf(new ManualClock(), 12);
  expect(pauses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
  expect(pauses.slice(10)).toEqual([200, 400]);
});

it('counts long messages for more', () => {
  expect(heardOf(new ManualClock(), 1, 10 * 16 * 1024)).toEqual([200]);
});

it('gives back what time has brought, up to the burst', async () => {
  const clock = new ManualClock();
  const pace = createReadingPace(clock, limits);
  for (let times = 0; times < 12; times += 1) pace.heard(1);
  await clock.advance(60_000);
  const after = Array.from({ length: 11 }, () => pace.heard(1));
  expect(after).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200]);
});
