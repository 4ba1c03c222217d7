/**
 * What follows the end of a session or a failed attempt. Pure. Full jitter spreads the agents of a control service that comes back; what only a
 * person can mend is tried again slowly, so that it heals without a restart; a deregistered agent stays away.
 */
import { fullJitter, jittered } from '#lib/backoff.ts';
import type { Random } from '#lib/random.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

const ordinary = { baseMs: 250, leastMaxMs: 1000, maxMs: 120_000, factor: 2 };
const slow = { baseMs: 300_000, maxMs: 360_000, factor: 1, jitter: 0.2 };

/** Only a session that was served this long starts the back-off anew; a flapping one does not. */
export const steadyAfterMs = 60_000;

export interface Ending {
  /** Absent when control could not be reached. */
  readonly code?: number;
  /** How long the session was served; 0 when it never was. */
  readonly servedMs: number;
  /** Attempts in a row before this one that led to nothing steady. */
  readonly attempt: number;
  /** Since the last steady session ended, or the agent started. */
  readonly troubleMs: number;
}

export type NextTry =
  | { readonly kind: 'again'; readonly afterMs: number; readonly attempt: number }
  | { readonly kind: 'never'; readonly advice: string };

/**
 * Attempts that fail at once (a link that is down, a port that refuses) say little about how long it will take: nobody waits much longer than the trouble has
 * lasted so far, or a host whose cable was out for ten seconds could be away for a minute.
 */
export function nextTry({ code, servedMs, attempt, troubleMs }: Ending, random: Random): NextTry {
  const failures = servedMs >= steadyAfterMs ? 0 : attempt;
  switch (code) {
    case closeCodes.deregistered:
      return {
        kind: 'never',
        advice:
          'this container instance was deregistered; to register the machine anew, stop the agent, remove its state folder and start it again',
      };
    case closeCodes.unauthorized:
    case closeCodes.duplicateIdentity:
    case closeCodes.versionMismatch:
      return { kind: 'again', afterMs: jittered(slow, 0, random), attempt: failures + 1 };
    default: {
      const maxMs = Math.min(ordinary.maxMs, Math.max(ordinary.leastMaxMs, troubleMs));
      return { kind: 'again', afterMs: fullJitter({ ...ordinary, maxMs }, failures, random), attempt: failures + 1 };
    }
  }
}
