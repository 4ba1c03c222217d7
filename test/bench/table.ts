/** What a bench prints: one line for each figure, with its target, and whether that was met or by how much not. */

export interface Row {
  what: string;
  ours: string;
  /** What it is compared with. */
  reference: string;
  value: number;
  target: number;
  unit: string;
}

export function isMet({ value, target }: Row): boolean {
  return value <= target;
}

export function lineOf(row: Row): string {
  const { what, ours, reference, value, target, unit } = row;
  const verdict = isMet(row) ? 'met' : `MISSED by ${(value - target).toFixed(2)}${unit}`;
  return `${what.padEnd(22)} ${ours.padEnd(34)} ${reference.padEnd(46)} ${value.toFixed(2)}${unit} (target ${target}${unit}) ${verdict}`;
}

/** What goes on, for those who wait. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
