/** Tables for people: columns as wide as their widest cell, two blanks between them, nothing behind the last. Pure. */

export interface Column<T> {
  title: string;
  value(row: T): string | number | undefined;
}

/** `-` stands for what is not there, so that columns stay columns. */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => String(column.value(row) ?? '-').replaceAll(/\s+/gu, ' '))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name: value` lines for one thing, aligned; absent values are left out. */
export function renderFields(fields: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const present = fields.filter(
    (field): field is readonly [string, string | number] => field[1] !== undefined && field[1] !== '',
  );
  const width = Math.max(0, ...present.map(([name]) => name.length + 1));
  return present.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}`).join('\n');
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** How long ago in the two largest units: `3m 12s`. */
export function age(from: Date | number | undefined, now: number): string | undefined {
  if (from === undefined) return undefined;
  let rest = Math.max(0, now - Number(from));
  const parts: string[] = [];
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0 || (name === 's' && parts.length === 0)) parts.push(`${count}${name}`);
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
