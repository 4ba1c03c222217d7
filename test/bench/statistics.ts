/** Figures over runs. Pure. */

export interface Figures {
  minimum: number;
  p50: number;
  p95: number;
  maximum: number;
  count: number;
}

export function figuresOf(values: readonly number[]): Figures {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (fraction: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN;
  return { minimum: at(0), p50: at(0.5), p95: at(0.95), maximum: sorted.at(-1) ?? Number.NaN, count: sorted.length };
}
