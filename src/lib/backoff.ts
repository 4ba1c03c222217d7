/** How long to wait before trying again. Pure: the caller counts attempts (the first is 0) and brings the random. */
import type { Random } from './random.ts';

export interface BackoffPolicy {
  /** Upper bound of the first wait. */
  readonly baseMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** Growth from attempt to attempt, at least 1. */
  readonly factor: number;
}

export interface JitteredBackoffPolicy extends BackoffPolicy {
  /** 0.2 spreads each wait over ±20 %. */
  readonly jitter: number;
}

/** Full jitter: anywhere in [0, ceiling]. Spreads a herd best; use where many clients lose the same server at once. */
export function fullJitter(policy: BackoffPolicy, attempt: number, random: Random): number {
  return Math.round(random.next() * ceiling(policy, attempt));
}

/** The ceiling itself, give or take `jitter` of it. Never above `maxMs`. Use where a minimal wait matters. */
export function jittered(policy: JitteredBackoffPolicy, attempt: number, random: Random): number {
  const spread = 1 + policy.jitter * (2 * random.next() - 1);
  return Math.round(Math.min(policy.maxMs, ceiling(policy, attempt) * spread));
}

function ceiling({ baseMs, maxMs, factor }: BackoffPolicy, attempt: number): number {
  return Math.min(maxMs, baseMs * factor ** attempt);
}
