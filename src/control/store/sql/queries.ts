/** What the queries of all tables share. */
import { sql, type Kysely } from 'kysely';
import type { Page, PageRequest } from '../store.ts';
import type { Database } from './schema.ts';

/** Keeps a statement well below both databases' limits on bound parameters. */
const rowsPerStatement = 250;

/** Inserts `rows`, or overwrites every other column of the rows that have the same `key`. No key may appear twice. */
export async function upsert<T extends keyof Database>(
  db: Kysely<Database>,
  table: T,
  key: readonly (keyof Database[T] & string)[],
  rows: readonly Database[T][],
): Promise<void> {
  for (const chunk of chunks(rows)) {
    const columns = Object.keys(chunk[0] ?? {}) as (keyof Database[T] & string)[];
    const tuples = chunk.map((row) => sql`(${sql.join(columns.map((column) => row[column]))})`);
    const changes = columns
      .filter((column) => !key.includes(column))
      .map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`);
    await sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
      values ${sql.join(tuples)}
      on conflict (${sql.join(key.map((column) => sql.ref(column)))}) do update set ${sql.join(changes)}`.execute(db);
  }
}

export function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += rowsPerStatement)
    yield items.slice(start, start + rowsPerStatement);
}

/** How many rows to select for a page: one more tells whether another page follows. */
export function rowsForPage({ limit }: PageRequest): number {
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`a page needs a positive limit, got ${limit}`);
  return limit + 1;
}

/** A page out of the rows selected for it. */
export function toPage<Row, T>(
  rows: readonly Row[],
  { limit }: PageRequest,
  key: (row: Row) => string,
  item: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const items = shown.map(item);
  return rows.length > limit && last !== undefined ? { items, next: key(last) } : { items };
}
