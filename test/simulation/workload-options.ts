/** What a move of a user needs. */
import { int, type Random } from '#lib/random.ts';
import type { CallOutcome } from '#test/support/simulated-control.ts';
import type { Ledger } from './ledger.ts';
import type { Rows } from './mirror.ts';
import type { ProgramName } from './programs.ts';

/** How the users of one seed go about their work. */
export interface Habits {
  /** They watch their rollouts: most services have a circuit breaker, deadlines are short, and what is rolled out often fails. */
  readonly rollsOutOften: boolean;
  /** What each definition runs, by ARN: users know what they registered. */
  readonly programs: Map<string, ProgramName>;
}

export function someHabits(random: Random): Habits {
  return { rollsOutOften: int(random, 1, 2) === 1, programs: new Map() };
}

export interface WorkloadOptions {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly rows: Rows;
  /** How many machines there are: the more, the more services. */
  readonly machines: number;
  readonly habits: Habits;
  call(operation: string, body: object): Promise<CallOutcome>;
}
