/** A modest number of seeds for every run of the tests; `npm run simulate -- --seeds 1000` runs more. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { changedSource, pathOf } from './mutate.ts';
import { mutations } from './mutations.ts';
import { runSeeds } from './run-seeds.ts';
import { searchSabotages, type SabotageFinding } from './sabotage-search.ts';
import { simulate } from './simulate.ts';
import type { TraceEntry } from './trace.ts';
import { printTrace } from './trace-print.ts';

const seeds = Array.from({ length: 40 }, (_, index) => index + 1);
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

describe('a printed trace', () => {
  const entries: TraceEntry[] = [
    { atMs: 1500, who: 'user', what: 'CreateService', about: ['service/front'] },
    { atMs: 1500, who: 'row', what: 'task 01234567 (service:front): new', about: ['task/01234567', 'service/front'] },
    { atMs: 3_723_004, who: 'host-1', what: 'the agent is dead', about: ['host-1'] },
  ];

  it('puts what happens at one moment under one time', () => {
    expect(printTrace(entries, [])).toEqual([
      '   0:01.500  user      CreateService',
      '             row       task 01234567 (service:front): new',
      '1:02:03.004  host-1    the agent is dead',
    ]);
  });

  it.each([
    ['service/front', 2],
    ['task/01234567', 1],
    ['host-1', 1],
    ['user', 1],
    ['service/back', 0],
  ])('of %s alone has %d lines', (subject, lines) => {
    expect(printTrace(entries, [subject])).toHaveLength(lines);
  });
});

describe('a sabotage', () => {
  it.each(mutations)('in the source has its place there: $name', (mutation) => {
    expect(() => changedSource(readFileSync(pathOf(mutation), 'utf8'), mutation)).not.toThrow();
  });

  // Those in the source take longer: `npm run simulate -- --sabotage`.
  it('at a seam is found, whichever it is, by an invariant that says what is wrong', async () => {
    const findings: SabotageFinding[] = [];
    const onFound = (finding: SabotageFinding): void => void findings.push(finding);
    await searchSabotages({ seeds: seedsPerSabotage, threads, only: ['seam'], onFound });
    const missed = findings.filter(({ breaks, violation }) => !violation || !breaks.includes(violation.invariant));
    expect(missed).toEqual([]);
  });
});
