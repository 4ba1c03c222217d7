/** Keys in blocks answer what one sorted list would. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedKeys } from '#control/store/sorted-keys.ts';

const key = fc.nat(3000).map((number) => `key-${String(number).padStart(4, '0')}`);

function all(keys: SortedKeys): string[] {
  const found: string[] = [];
  keys.each((each) => found.push(each));
  return found;
}

it('keeps every key once and in order, however they come', () => {
  fc.assert(
    fc.property(fc.array(fc.array(key, { maxLength: 400, size: 'max' }), { maxLength: 20 }), key, (batches, after) => {
      const keys = new SortedKeys();
      for (const batch of batches) keys.addAll(batch);
      const sorted = [...new Set(batches.flat())].toSorted();
      expect(all(keys)).toEqual(sorted);
      expect(keys.size).toBe(sorted.length);
      expect([...keys.from()]).toEqual(sorted);
      expect([...keys.from(after)]).toEqual(sorted.filter((each) => each > after));
    }),
    { numRuns: 50 },
  );
});

it('keeps thousands that come one by one in order', () => {
  const keys = new SortedKeys();
  const added = Array.from({ length: 5000 }, (_, index) => String((index * 7919) % 5003).padStart(5, '0'));
  for (const each of added) keys.addAll([each]);
  expect(all(keys)).toEqual(added.toSorted());
  expect([...keys.from('02500')].at(0)).toBe(added.filter((each) => each > '02500').toSorted()[0]);
});

it('forgets what it had when it is given others', () => {
  const keys = new SortedKeys();
  keys.addAll(['c', 'a']);
  keys.replace(['b']);
  expect(all(keys)).toEqual(['b']);
  keys.replace([]);
  keys.addAll(['d']);
  expect(all(keys)).toEqual(['d']);
});
