import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededIds, systemIds } from '#lib/ids.ts';
import { int, pick, seededRandom, shuffle, systemRandom } from '#lib/random.ts';

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('seeded randomness', () => {
  it('repeats itself for one seed and differs between seeds', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('stays within its bounds', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: -50, max: 50 }), fc.nat(50), (seed, min, width) => {
        const random = seededRandom(seed);
        const drawn = int(random, min, min + width);
        expect(drawn).toBeGreaterThanOrEqual(min);
        expect(drawn).toBeLessThanOrEqual(min + width);
      }),
    );
  });

  it('shuffles without loss and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
        const before = [...items];
        const shuffled = shuffle(seededRandom(seed), items);
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(items.toSorted((a, b) => a - b));
        expect(items).toEqual(before);
      }),
    );
  });

  it('picks one of the items and refuses to pick from nothing', () => {
    expect(['a', 'b']).toContain(pick(systemRandom, ['a', 'b']));
    expect(() => pick(systemRandom, [])).toThrow(RangeError);
  });
});

describe('ids', () => {
  it.each([
    ['system', systemIds],
    ['seeded', seededIds(seededRandom(1))],
  ])('of the %s kind have the form of UUIDs and hexadecimal digits, and differ', (_, ids) => {
    expect(ids.uuid()).toMatch(uuidForm);
    expect(ids.uuid()).not.toBe(ids.uuid());
    for (const length of [1, 7, 32]) expect(ids.hex(length)).toMatch(new RegExp(`^[0-9a-f]{${length}}$`));
  });

  it('of the seeded kind repeat themselves', () => {
    expect(seededIds(seededRandom(5)).uuid()).toBe(seededIds(seededRandom(5)).uuid());
  });
});
