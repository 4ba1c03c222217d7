import { expect, it } from 'vitest';
import { createRepeats } from '#lib/repeats.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const windowMs = 1000;

function open() {
  const clock = new ManualClock();
  const told: string[] = [];
  const repeats = createRepeats(clock, windowMs);
  const note = (key: string): void => repeats.note(key, (repeated) => told.push(`${key} ${repeated}`));
  return { clock, told, repeats, note };
}

it('tells the first at once, and how many followed when the window is over', async () => {
  const { clock, told, note } = open();
  for (let times = 0; times < 5; times += 1) note('a');
  expect(told).toEqual(['a 0']);
  await clock.advance(windowMs);
  expect(told).toEqual(['a 0', 'a 4']);
});

it('tells nothing more of what was not repeated, and begins anew after the window', async () => {
  const { clock, told, note } = open();
  note('a');
  await clock.advance(windowMs);
  note('a');
  expect(told).toEqual(['a 0', 'a 0']);
});

it('keeps keys apart, but no more than a thousand of them', async () => {
  const { clock, told, note } = open();
  for (let key = 0; key < 1500; key += 1) note(`k${key}`);
  expect(told).toHaveLength(1001);
  await clock.advance(windowMs);
  expect(told.at(-1)).toBe('k1000 499');
});

it('tells what is left when it is stopped', () => {
  const { told, repeats, note } = open();
  note('a');
  note('a');
  repeats.stop();
  expect(told).toEqual(['a 0', 'a 1']);
});
