/** A modest number of seeds for every run of the tests; `npm run simulate -- --seeds 1000` runs more. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changedSource, pathOf } from './mutate.ts';
import { mutations } from './mutations.ts';
import { runSeeds } from './run-seeds.ts';
import { searchSabotages, type SabotageFinding } from './sabotage-search.ts';
import { simulate } from './simulate.ts';

const seeds = Array.from({ length: 24 }, (_, index) => index + 1);
const seedsPerSabotage = 40;
const threads = 2;

describe('the simulation', () => {
  it(`finds no violation in seeds 1 to ${seeds.length}`, async () => {
    const failures: string[] = [];
    await runSeeds({
      seeds,
      threads,
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
    const [first, second] = [
      await simulate({ seed: 3, keepTrace: true }),
      await simulate({ seed: 3, keepTrace: true }),
    ];
    expect(second.hash).toBe(first.hash);
    expect(second.steps).toBe(first.steps);
    expect((await simulate({ seed: 2, keepTrace: true })).hash).not.toBe(first.hash);
  });

  it('takes the same steps when nobody keeps the trace', async () => {
    expect((await simulate({ seed: 3 })).steps).toBe((await simulate({ seed: 3, keepTrace: true })).steps);
  });
});

describe('a planted bug', () => {
  it.each(mutations)('has its place in the source: $name', (mutation) => {
    expect(() => changedSource(readFileSync(pathOf(mutation), 'utf8'), mutation)).not.toThrow();
  });

  it('is found, whichever it is, by an invariant that says what is wrong', async () => {
    const findings: SabotageFinding[] = [];
    await searchSabotages({ seeds: seedsPerSabotage, threads, onFound: (finding) => findings.push(finding) });
    const missed = findings.filter(({ breaks, violation }) => !violation || !breaks.includes(violation.invariant));
    expect(missed).toEqual([]);
  });
});
