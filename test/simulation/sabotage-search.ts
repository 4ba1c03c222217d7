/** Breaks the system in each of the known ways, and looks for the first seed that notices. */
import { mutations } from './mutations.ts';
import { createSeedRunner } from './run-seeds.ts';
import { sabotages } from './sabotage.ts';
import type { Invariant } from './violation.ts';

export interface SabotageFinding {
  readonly name: string;
  /** `seam`: a port of the program does other than it says. `source`: the program's text was changed. */
  readonly kind: 'seam' | 'source';
  readonly breaks: readonly Invariant[];
  /** The last seed that was run. */
  readonly seed: number;
  /** Undefined when no seed noticed. */
  readonly violation: { readonly invariant: Invariant; readonly message: string } | undefined;
}

export interface SabotageSearch {
  /** At most so many seeds for each. */
  readonly seeds: number;
  readonly threads: number;
  /** Of these kinds, or with one of these texts in their names; all when there are none. */
  readonly only?: readonly string[];
  onFound(finding: SabotageFinding): void;
}

export async function searchSabotages({ seeds, threads, only = [], onFound }: SabotageSearch): Promise<void> {
  const waiting = [
    ...sabotages.map(({ name, breaks }) => ({ name, breaks, kind: 'seam' as const })),
    ...mutations.map(({ name, breaks }) => ({ name, breaks, kind: 'source' as const })),
  ].filter(({ name, kind }) => only.length === 0 || only.some((text) => text === kind || name.includes(text)));

  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      onFound({ ...next, ...(await firstViolation(next.name, seeds)) });
    }
  }

  await Promise.all(Array.from({ length: threads }, work));
}

/** Throws when a seed could not be run at all: a planted bug that is not there proves nothing. */
async function firstViolation(sabotage: string, seeds: number): Promise<Pick<SabotageFinding, 'seed' | 'violation'>> {
  const runner = createSeedRunner({ sabotage });
  try {
    for (let seed = 1; seed <= seeds; seed++) {
      const outcome = await runner.run(seed);
      if ('gaveUp' in outcome) throw new Error(`${sabotage}: seed ${seed}: ${outcome.gaveUp}`);
      if (outcome.violation !== undefined) return { seed, violation: outcome.violation };
    }
    return { seed: seeds, violation: undefined };
  } finally {
    await runner.close();
  }
}
