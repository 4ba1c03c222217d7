/** Flow control by credit. */
import { describe, expect, it } from 'vitest';
import { createCredit, createCreditWindow } from '#lib/credit.ts';

describe('a sender', () => {
  it('waits for credit, and no longer than until the end', async () => {
    const credit = createCredit(1);
    expect(await credit.some()).toBe(true);
    credit.spend(1);
    const waiting = credit.some();
    credit.add(5);
    expect([await waiting, credit.left]).toEqual([true, 5]);
    credit.spend(5);
    const hopeless = credit.some();
    credit.end();
    expect(await hopeless).toBe(false);
    expect(await credit.some()).toBe(false);
  });
});

describe('a receiver', () => {
  it('grants anew in halves of its window, and refuses what it has not granted', () => {
    const grants: number[] = [];
    const window = createCreditWindow(10, (more) => grants.push(more));
    expect(window.received(10)).toBe(true);
    expect(window.received(1)).toBe(false);
    window.taken(4);
    expect(grants).toEqual([]);
    window.taken(2);
    expect(grants).toEqual([6]);
    expect(window.received(7)).toBe(false);
    expect(window.received(6)).toBe(true);
  });
});
