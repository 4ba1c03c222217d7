/** A broken promise: the invariant's number as in docs/invariants.md, and what was seen. */

export const invariantNames = {
  I1: 'a status never goes back, and STOPPED is final',
  I2: 'a task never changes its host',
  I3: 'a start never brings a service above its ceiling',
  I4: 'a replacement never brings a service below its floor',
  I5: 'a service that is deleted or scaled to zero starts nothing',
  I6: 'a failed deployment starts nothing',
  I7: 'no host is promised away twice: CPU, memory and ports',
  I8: 'what is not where it should be says what it waits for',
  I10: 'an acknowledged API write survives kill -9',
  I11: 'a repeated message changes nothing',
  I12: 'without input everything converges, and writes stop',
  I13: 'no container without its task, no task without its containers, none twice',
  I16: 'the scheduler stops no protected task',
  I17: 'of a lost task and its replacement one is left when both could be heard for long enough',
  I22: 'a machine keeps its registration until somebody takes it away',
  I18: 'what a restored database has forgotten runs on',
  I19: 'a circuit breaker that is on ends a deployment that cannot run',
  I20: 'all tasks of a deployment run the image that the first one found',
  I21: 'a task of no service is stopped by its user or the loss of its machine, by nobody else',
  I23: 'a task that waits for room is placed or has ended at its deadline',
  I24: 'a task of a capacity provider is on an instance of its group',
  I25: 'a rollout has failed at its deadline, and not before',
  I26: 'a drain ends at its deadline what is left on its machine, and not before',
  I27: 'a service that asks for it is spread evenly, as far as there is room',
  I28: 'a rollout that a user stopped ends, and goes where the user said',
  crash: 'no daemon dies of an error of its own',
} as const;

export type Invariant = keyof typeof invariantNames;

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
