/**
 * How often one address may knock. Generous, since a whole site of machines may sit behind one address and come back at once; enough to keep
 * a guesser of tokens or an agent in a tight loop from costing more than a refusal.
 */
import type { Clock } from '#lib/clock.ts';

const knocksPerWindow = 300;
const windowMs = 10_000;

export interface KnockLimit {
  admit(remote: string): boolean;
}

export function createKnockLimit(clock: Pick<Clock, 'now'>): KnockLimit {
  const knocks = new Map<string, number>();
  let windowStart = clock.now();

  return {
    admit(remote) {
      const now = clock.now();
      if (Math.abs(now - windowStart) >= windowMs) {
        knocks.clear();
        windowStart = now;
      }
      const count = (knocks.get(remote) ?? 0) + 1;
      knocks.set(remote, count);
      return count <= knocksPerWindow;
    },
  };
}
