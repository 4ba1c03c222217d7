/** What goes wrong with a store, by name. Messages are for the person who runs the control service; causes are kept. */

export type StoreOpenProblem =
  | 'unreachable'
  | 'locked'
  | 'notADatabase'
  | 'damaged'
  | 'newerSchema'
  | 'migrationFailed'
  | 'backupFailed'
  | 'notEmpty';

/** The store could not be opened. Trying again helps with `unreachable` and `locked` only. */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError';
  readonly problem: StoreOpenProblem;

  constructor(problem: StoreOpenProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** A row that this program cannot have written, or that was changed by hand. Only reads of that row fail. */
export class CorruptRowError extends Error {
  override readonly name = 'CorruptRowError';
  readonly table: string;
  readonly key: string;

  constructor(table: string, key: string, problem: string, options?: ErrorOptions) {
    super(`the row ${key} of the table ${table} is corrupt: ${problem}`, options);
    this.table = table;
    this.key = key;
  }
}

/** Other writers got in the way of a transaction again and again. Nothing was written; the caller may try later. */
export class WriteContentionError extends Error {
  override readonly name = 'WriteContentionError';
  readonly attempts: number;

  constructor(attempts: number, options?: ErrorOptions) {
    super(
      `the transaction was given up after ${attempts} attempts because others kept changing the same rows`,
      options,
    );
    this.attempts = attempts;
  }
}
