/**
 * How often one address may knock. Generous, since a whole site of machines may sit behind one address and come back at once; enough to keep
 * a guesser of tokens or an agent in a tight loop from costing more than a refusal.
 */
import type { Clock } from '#lib/clock.ts';

export interface KnockRate {
  readonly knocks: number;
  readonly windowMs: number;
}

const sessionsRate: KnockRate = { knocks: 300, windowMs: 10_000 };

export interface KnockLimit {
  /** Counts, and says whether that was one too many. */
  admit(remote: string): boolean;
  /** Whether one more would be admitted; counts nothing. */
  mayKnock(remote: string): boolean;
}

export function createKnockLimit(clock: Pick<Clock, 'now'>, rate: KnockRate = sessionsRate): KnockLimit {
  const knocks = new Map<string, number>();
  let windowStart = clock.now();

  function startWindow(): void {
    const now = clock.now();
    if (Math.abs(now - windowStart) < rate.windowMs) return;
    knocks.clear();
    windowStart = now;
  }

  return {
    mayKnock(remote) {
      startWindow();
      return (knocks.get(remote) ?? 0) < rate.knocks;
    },
    admit(remote) {
      startWindow();
      const count = (knocks.get(remote) ?? 0) + 1;
      knocks.set(remote, count);
      return count <= rate.knocks;
    },
  };
}
