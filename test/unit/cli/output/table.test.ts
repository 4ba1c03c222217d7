import { describe, expect, it } from 'vitest';
import { age, renderFields, renderTable } from '#cli/output/table.ts';

describe('a table', () => {
  const columns = [
    { title: 'NAME', value: (row: { name: string; count?: number }) => row.name },
    { title: 'COUNT', value: (row: { name: string; count?: number }) => row.count },
  ];

  it('makes each column as wide as its widest cell and leaves nothing behind the last', () => {
    expect(
      renderTable(columns, [
        { name: 'a-long-name', count: 3 },
        { name: 'b', count: 12 },
      ]),
    ).toBe('NAME         COUNT\na-long-name  3\nb            12');
  });

  it('shows a dash for what is not there', () => {
    expect(renderTable(columns, [{ name: 'a' }])).toBe('NAME  COUNT\na     -');
  });

  it('keeps a row on one line whatever a cell holds', () => {
    expect(renderTable(columns, [{ name: 'two\nlines' }])).toBe('NAME       COUNT\ntwo lines  -');
  });
});

describe('fields', () => {
  it('are aligned, and absent ones are left out', () => {
    expect(
      renderFields([
        ['status', 'RUNNING'],
        ['why', undefined],
        ['id', 7],
      ]),
    ).toBe('status: RUNNING\nid:     7');
  });
});

describe('an age', () => {
  it.each([
    [0, '0s'],
    [59_000, '59s'],
    [61_000, '1m 1s'],
    [3_600_000, '1h'],
    [90_061_000, '1d 1h'],
  ])('of %d ms reads %s', (elapsed, text) => {
    expect(age(1_000_000, 1_000_000 + elapsed)).toBe(text);
  });

  it('is never negative when clocks differ', () => {
    expect(age(2000, 1000)).toBe('0s');
  });
});
