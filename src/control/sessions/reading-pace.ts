/**
 * How much one agent may say: a bucket of units, a message costs one and another for each 16 KiB. Whoever has said too much is not read for a while, so that
 * the kernel slows it down; nothing it said is lost, and control has time for the others. What an agent has to say in earnest is far below: a whole site of tasks
 * ends within the burst, and a command's output comes at 16 MB/s before it is slowed down.
 */
import type { Clock } from '#lib/clock.ts';

export interface PaceLimits {
  readonly burst: number;
  readonly perSecond: number;
}

export const agentPace: PaceLimits = { burst: 5000, perSecond: 1000 };

const bytesForAUnit = 16 * 1024;
/** Not read for at least so long, so that pausing itself costs nothing. */
const shortestPauseMs = 100;

export interface ReadingPace {
  /** Notes a message. Answers for how many milliseconds nothing more should be read; 0: go on. */
  heard(bytes: number): number;
}

export function createReadingPace(
  clock: Pick<Clock, 'elapsed'>,
  { burst, perSecond }: PaceLimits = agentPace,
): ReadingPace {
  let units = burst;
  let filledAt = clock.elapsed();

  return {
    heard(bytes) {
      const now = clock.elapsed();
      units = Math.min(burst, units + ((now - filledAt) / 1000) * perSecond) - 1 - Math.floor(bytes / bytesForAUnit);
      filledAt = now;
      return units >= 0 ? 0 : Math.max(shortestPauseMs, (-units / perSecond) * 1000);
    },
  };
}
