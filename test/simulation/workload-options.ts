/** What a move of a user needs. */
import type { Random } from '#lib/random.ts';
import type { CallOutcome } from '#test/support/simulated-control.ts';
import type { Ledger } from './ledger.ts';
import type { Rows } from './mirror.ts';

export interface WorkloadOptions {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly rows: Rows;
  /** How many machines there are: the more, the more services. */
  readonly machines: number;
  call(operation: string, body: object): Promise<CallOutcome>;
}
