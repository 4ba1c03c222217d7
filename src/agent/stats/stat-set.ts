/** ECS's stat sets: what a metric was over a window of samples. Pure. */
import type { MetricName, MetricSets, StatSet } from '#protocol/session/telemetry.ts';

export function withValue(set: StatSet | undefined, value: number): StatSet {
  if (set === undefined) return { min: value, max: value, sum: value, sampleCount: 1 };
  return {
    min: Math.min(set.min, value),
    max: Math.max(set.max, value),
    sum: set.sum + value,
    sampleCount: set.sampleCount + 1,
  };
}

export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

/** The sets with one more sample of each of `values`. */
export function withSample(sets: MetricSets, values: MetricValues): MetricSets {
  const next: MetricSets = { ...sets };
  for (const [name, value] of Object.entries(values) as [MetricName, number][]) {
    next[name] = withValue(next[name], value);
  }
  return next;
}
