/** What a run of many seeds amounts to, in one line. */
import type { FaultName } from './faults.ts';
import type { Outcome } from './run-seeds.ts';

export interface Tally {
  readonly failed: number;
  add(outcome: Outcome): void;
  text(): string;
}

export function createTally(): Tally {
  let failed = 0;
  let steps = 0;
  let virtualMs = 0;
  let calls = 0;
  let most = 0;
  let machines = 0;
  const faults = new Map<FaultName, number>();
  return {
    get failed() {
      return failed;
    },
    add(outcome) {
      if ('gaveUp' in outcome) {
        failed += 1;
        return;
      }
      if (outcome.violation !== undefined) failed += 1;
      steps += outcome.steps;
      virtualMs += outcome.virtualMs;
      calls += outcome.calls;
      machines += outcome.machines;
      most = Math.max(most, outcome.machines);
      for (const [name, count] of Object.entries(outcome.faults) as [FaultName, number][]) {
        faults.set(name, (faults.get(name) ?? 0) + count);
      }
    },
    text() {
      const byCount = [...faults].toSorted(([, a], [, b]) => b - a);
      const struck = byCount.reduce((sum, [, count]) => sum + count, 0);
      const hours = (virtualMs / 3_600_000).toFixed(1);
      return (
        `${steps} steps in ${hours} virtual hours, ${machines} machines (at most ${most} at once), ${calls} calls of users, ` +
        `${struck} faults: ${byCount.map(([name, count]) => `${name} ${count}`).join(', ')}`
      );
    },
  };
}
