/** A modest number of seeds for every run of the tests; `npm run simulate -- --seeds 200` runs more. */
import { describe, expect, it } from 'vitest';
import { runSeeds } from './run-seeds.ts';
import { sabotages } from './sabotage.ts';
import { simulate, type SimulationResult } from './simulate.ts';

const seeds = Array.from({ length: 25 }, (_, index) => index + 1);
const seedsPerSabotage = 12;

describe('the simulation', () => {
  it(`finds no violation in seeds 1 to ${seeds.length}`, async () => {
    const failures: string[] = [];
    await runSeeds({
      seeds,
      threads: 2,
      onReport(report) {
        if ('gaveUp' in report) failures.push(`seed ${report.seed}: ${report.gaveUp}`);
        else if (report.violation !== undefined) {
          failures.push(`seed ${report.seed}: ${report.violation.invariant}: ${report.violation.message}`);
        }
      },
    });
    expect(failures).toEqual([]);
  });

  it('tells the same story for the same seed, byte for byte', async () => {
    const [first, second] = [await simulate({ seed: 3 }), await simulate({ seed: 3 })];
    expect(second.hash).toBe(first.hash);
    expect(second.steps).toBe(first.steps);
    expect((await simulate({ seed: 2 })).hash).not.toBe(first.hash);
  });
});

describe('a sabotage', () => {
  it.each(sabotages)('is found: $name', async (sabotage) => {
    let found: SimulationResult | undefined;
    for (let seed = 1; seed <= seedsPerSabotage && found?.violation === undefined; seed++) {
      found = await simulate({ seed, sabotage });
    }
    expect(sabotage.breaks, `seed ${found?.seed}: ${found?.violation?.message}`).toContain(found?.violation?.invariant);
  });
});
