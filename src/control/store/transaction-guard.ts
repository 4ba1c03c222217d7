/**
 * Makes the tables of one transaction refuse to be used after its end, and those of a reading one to write. Transactions are many and short, so
 * nothing is made for a table before it is used.
 */
import type { StoreTransaction } from './store.ts';

/** The transaction of the moment. */
export interface Turn {
  readonly readOnly: boolean;
  ended: boolean;
}

/** By their names, as all tables have them: `put`, `putMany`, `moveLines`, `delete`, `deleteExpired`, … */
const writes = /^(put|move|delete)/;

export function guardTransaction(tables: StoreTransaction, turn: Turn): StoreTransaction {
  const guarded = new Map<string | symbol, unknown>();
  return new Proxy(tables, {
    get(_, name) {
      const known = guarded.get(name);
      if (known !== undefined) return known;
      const table: unknown = Reflect.get(tables, name);
      if (typeof table !== 'object' || table === null) return table;
      const made = guardTable(table, turn);
      guarded.set(name, made);
      return made;
    },
  });
}

function guardTable(table: object, turn: Turn): object {
  return new Proxy(table, {
    get(_, method) {
      if (turn.ended) return refusing('the transaction is committed or rolled back already');
      if (turn.readOnly && typeof method === 'string' && writes.test(method))
        return refusing('the transaction is read-only');
      return Reflect.get(table, method) as unknown;
    },
  });
}

function refusing(message: string): () => Promise<never> {
  return () => Promise.reject(new Error(message));
}
