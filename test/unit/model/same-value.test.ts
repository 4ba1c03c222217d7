import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSameValue } from '#model/same-value.ts';

describe('values are the same', () => {
  it.each([
    [
      { a: 1, b: [2, { c: 'x' }] },
      { b: [2, { c: 'x' }], a: 1 },
    ],
    [{ a: 1, b: undefined }, { a: 1 }],
    [{ a: 1 }, { a: 1, b: undefined }],
    [[], []],
    ['x', 'x'],
  ])('%j and %j', (one, other) => {
    expect(isSameValue(one, other)).toBe(true);
  });

  it('as a comparison of all that JSON can hold says', () => {
    const json = fc.jsonValue().filter((value) => !Object.is(value, -0));
    fc.assert(fc.property(json, json, (one, other) => isSameValue(one, other) === isDeepStrictEqual(one, other)));
    fc.assert(fc.property(json, (value) => isSameValue(value, structuredClone(value))));
  });
});

describe('values are not the same', () => {
  it.each([
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [
      [1, 2],
      [2, 1],
    ],
    [[1], [1, 2]],
    [[], {}],
    [{}, []],
    [null, {}],
    [
      { a: undefined, b: 1 },
      { a: undefined, c: 1 },
    ],
    [0, '0'],
  ])('%j and %j', (one, other) => {
    expect(isSameValue(one, other)).toBe(false);
  });
});
