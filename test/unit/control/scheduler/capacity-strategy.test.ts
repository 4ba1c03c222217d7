/** Capacity provider strategies: base first, then the ratio of the weights, over time and when a service shrinks (ecs-behaviour 5.10). */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstToLeave, shareOut, strategyProblem, wholeStrategy } from '#control/scheduler/capacity-strategy.ts';
import type { CapacityStrategy } from '#model/capacity-provider.ts';

const item = (capacityProvider: string, weight: number, base = 0) => ({ capacityProvider, weight, base });

/** Base 1 and weight 1 beside weight 3. */
const baseAndRatio = [item('a', 1, 1), item('b', 3)];

function split(strategy: CapacityStrategy, count: number, existing: Record<string, number> = {}): number[] {
  const shares = shareOut(strategy, count, new Map(Object.entries(existing)));
  return strategy.map(({ capacityProvider }) => shares.get(capacityProvider) ?? 0);
}

describe('base first, then the ratio of the weights', () => {
  it.each([
    [1, 1, 0],
    [2, 1, 1],
    [3, 2, 1],
    [4, 2, 2],
    [5, 2, 3],
    [6, 2, 4],
    [7, 3, 4],
    [8, 3, 5],
    [9, 3, 6],
    [10, 3, 7],
    [11, 4, 7],
    [12, 4, 8],
    [13, 4, 9],
    [14, 4, 10],
    [15, 5, 10],
    [16, 5, 11],
    [17, 5, 12],
    [18, 5, 13],
    [19, 6, 13],
    [20, 6, 14],
  ])('of %i tasks, base 1 weight 1 gets %i and weight 3 gets %i', (count, a, b) => {
    expect(split(baseAndRatio, count)).toEqual([a, b]);
  });

  it('one to four: of five tasks beyond the base, one and four', () => {
    expect(split([item('a', 1), item('b', 4)], 5)).toEqual([1, 4]);
    expect(split([item('a', 1, 2), item('b', 4)], 7)).toEqual([3, 4]);
  });

  it('weight 0 gets its base and no more', () => {
    expect(split([item('a', 0, 2), item('b', 1)], 10)).toEqual([2, 8]);
    expect(split([item('a', 0), item('b', 1)], 10)).toEqual([0, 10]);
  });

  it('a base larger than the request takes all of it', () => {
    expect(split([item('b', 3), item('a', 1, 100_000)], 10)).toEqual([0, 10]);
  });

  it('equal weights go in turn, beginning with the first', () => {
    expect([1, 2, 3].map((count) => split([item('a', 1), item('b', 1)], count))).toEqual([
      [1, 0],
      [1, 1],
      [2, 1],
    ]);
  });
});

describe('the ratio over time', () => {
  const strategies = fc
    .array(fc.record({ weight: fc.nat(10), base: fc.nat(3) }), { minLength: 1, maxLength: 5 })
    .filter((parts) => parts.some(({ weight }) => weight > 0))
    .map((parts) => parts.map(({ weight, base }, at) => item(`p${at}`, weight, at === 0 ? base : 0)));

  it('is the same whether tasks come at once or one by one', () => {
    fc.assert(
      fc.property(strategies, fc.nat(40), (strategy, count) => {
        const have = new Map<string, number>();
        for (let n = 0; n < count; n += 1) {
          for (const [name, share] of shareOut(strategy, 1, have)) have.set(name, (have.get(name) ?? 0) + share);
        }
        expect(strategy.map(({ capacityProvider }) => have.get(capacityProvider) ?? 0)).toEqual(split(strategy, count));
      }),
    );
  });

  it('keeps each provider within one task of its share beyond the base', () => {
    fc.assert(
      fc.property(strategies, fc.nat(200), (strategy, count) => {
        const counts = split(strategy, count);
        const base = strategy[0]?.base ?? 0;
        const beyond = Math.max(0, count - base);
        const total = strategy.reduce((sum, { weight }) => sum + weight, 0);
        expect(counts.reduce((sum, each) => sum + each, 0)).toBe(count);
        expect(counts[0]).toBeGreaterThanOrEqual(Math.min(base, count));
        for (const [at, { weight }] of strategy.entries()) {
          const own = Math.max(0, (counts[at] ?? 0) - (at === 0 ? base : 0));
          expect(Math.abs(own - (beyond * weight) / total)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('is restored by the tasks that come, after one provider lost some', () => {
    expect(split([item('a', 1), item('b', 1)], 3, { a: 5, b: 2 })).toEqual([0, 3]);
    expect(split(baseAndRatio, 1, { b: 6 })).toEqual([1, 0]);
  });
});

describe('the first to leave', () => {
  function shrink(strategy: CapacityStrategy, have: Record<string, number>, by: number): Record<string, number> {
    const left = new Map<string | undefined, number>(Object.entries(have));
    for (let n = 0; n < by; n += 1) {
      const name = firstToLeave(strategy, left);
      left.set(name, (left.get(name) ?? 0) - 1);
    }
    return Object.fromEntries([...left].map(([name, count]) => [String(name), count]));
  }

  it('leaves the base and the ratio behind', () => {
    expect(shrink(baseAndRatio, { a: 6, b: 15 }, 12)).toEqual({ a: 3, b: 6 });
    expect(shrink(baseAndRatio, { a: 3, b: 6 }, 8)).toEqual({ a: 1, b: 0 });
  });

  it('is of a provider that the strategy does not name, or of none', () => {
    expect(shrink(baseAndRatio, { a: 1, old: 2, b: 3 }, 2)).toEqual({ a: 1, old: 0, b: 3 });
    expect(firstToLeave(baseAndRatio, new Map([[undefined, 1] as const, ['a', 5] as const]))).toBeUndefined();
  });

  it('is of the base when nothing else is there', () => {
    expect(shrink(baseAndRatio, { a: 1 }, 1)).toEqual({ a: 0 });
  });

  it('keeps each provider within one task of its share, from a balanced start', () => {
    fc.assert(
      fc.property(fc.nat(10), fc.nat(10), fc.nat(60), fc.nat(60), (w1, w2, count, by) => {
        const strategy = [item('a', w1 + 1), item('b', w2)];
        const [a = 0, b = 0] = split(strategy, count);
        const leaving = Math.min(by, count);
        const left = shrink(strategy, { a, b }, leaving);
        const share = ((count - leaving) * (w1 + 1)) / (w1 + 1 + w2);
        expect(Math.abs((left['a'] ?? 0) - share)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('a strategy is refused', () => {
  it.each([
    ['with two bases', [item('a', 1, 1), item('b', 1, 2)], 'Only one capacity provider'],
    ['without any weight', [item('a', 0, 5), item('b', 0)], 'weight greater than 0'],
    ['that names a provider twice', [item('a', 1), item('a', 2)], 'duplicate'],
    ['that mixes groups of instances with FARGATE', [item('a', 1), item('FARGATE', 1)], 'a mix of capacity providers'],
  ])('%s', (_what, strategy, problem) => expect(strategyProblem(strategy)).toContain(problem));

  it('but not when it is empty, or mixes FARGATE with FARGATE_SPOT', () => {
    expect(strategyProblem([])).toBeUndefined();
    expect(strategyProblem([item('FARGATE', 1, 1), item('FARGATE_SPOT', 3)])).toBeUndefined();
  });
});

it('an item that is alone has all the weight unless it says none; others have none unless they say', () => {
  expect(wholeStrategy([{ capacityProvider: 'a' }])).toEqual([item('a', 1)]);
  expect(wholeStrategy([{ capacityProvider: 'a', weight: 0 }])).toEqual([item('a', 0)]);
  expect(wholeStrategy([{ capacityProvider: 'a' }, { capacityProvider: 'b', weight: 2, base: 1 }])).toEqual([
    item('a', 0),
    item('b', 2, 1),
  ]);
});
