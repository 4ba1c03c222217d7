/** What the queries of all tables share. */
import { CompiledQuery, sql, type Kysely } from 'kysely';
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
  const columns = Object.keys(rows[0] ?? {}) as (keyof Database[T] & string)[];
  for (let start = 0; start < rows.length;) {
    const size = rowsAtOnce.find((count) => count <= rows.length - start) ?? 1;
    const chunk = rows.slice(start, start + size);
    start += size;
    const text = upsertText(db, table, { key, columns, rows: size });
    const values = chunk.flatMap((row) => columns.map((column) => row[column]));
    await db.executeQuery(CompiledQuery.raw(text, values));
  }
}

/** Few sizes, so that few statements are made and kept. */
const rowsAtOnce = [100, 20, 5, 1];

/** The texts of each database's dialect: to make one costs more than to run it. */
const upsertTexts = new WeakMap<object, Map<string, string>>();

function upsertText(
  db: Kysely<Database>,
  table: keyof Database,
  { key, columns, rows }: { key: readonly string[]; columns: readonly string[]; rows: number },
): string {
  const { adapter } = db.getExecutor();
  const texts = upsertTexts.get(adapter) ?? new Map<string, string>();
  upsertTexts.set(adapter, texts);
  const name = `${table} ${rows}`;
  const known = texts.get(name);
  if (known !== undefined) return known;
  const tuple = sql`(${sql.join(columns)})`;
  const changes = columns
    .filter((column) => !key.includes(column))
    .map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`);
  const { sql: text } = sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
      values ${sql.join(Array.from({ length: rows }, () => tuple))}
      on conflict (${sql.join(key.map((column) => sql.ref(column)))}) do update set ${sql.join(changes)}`.compile(db);
  texts.set(name, text);
  return text;
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
