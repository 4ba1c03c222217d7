/** The types of columns, where the two databases differ. */
import { sql, type RawBuilder } from 'kysely';

export interface ColumnTypes {
  readonly database: 'SQLite' | 'PostgreSQL';
  /** Text that is compared and sorted, byte by byte. */
  readonly key: RawBuilder<unknown>;
  readonly text: 'text';
  /** Holds epoch milliseconds. */
  readonly integer: 'bigint';
}

export const sqliteColumnTypes: ColumnTypes = {
  database: 'SQLite',
  key: sql`text`,
  text: 'text',
  integer: 'bigint',
};

/** Without "C" the order of names would depend on the locale in which the database was made. */
export const postgresColumnTypes: ColumnTypes = {
  database: 'PostgreSQL',
  key: sql`text collate "C"`,
  text: 'text',
  integer: 'bigint',
};
