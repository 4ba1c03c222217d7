/**
 * Says that this side lives once an interval, and notices when the other side does not. Silence is counted in intervals, not by the wall
 * clock, so that neither a clock jump nor a paused process makes a living peer look dead at once.
 */
import type { Clock, Timer } from './clock.ts';

/** After so many intervals without any message the other side is dead. */
const silentIntervals = 3;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  beat(): void;
  /** Called once; no beat follows. */
  onSilence(): void;
}

export interface Heartbeat {
  /** Any message is a sign of life. */
  heard(): void;
  stop(): void;
}

export function startHeartbeat({ clock, intervalMs, beat, onSilence }: HeartbeatOptions): Heartbeat {
  let silent = 0;
  let timer: Timer = clock.after(intervalMs, tick);

  function tick(): void {
    silent += 1;
    if (silent > silentIntervals) {
      onSilence();
      return;
    }
    timer = clock.after(intervalMs, tick);
    beat();
  }

  return {
    heard() {
      silent = 0;
    },
    stop: () => timer.cancel(),
  };
}
