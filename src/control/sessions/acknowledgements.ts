/** What was sent under a number and is not acknowledged yet. An agent that does not save within the limit is given up (S11): `onOverdue`, once. */
import type { Clock, Timer } from '#lib/clock.ts';

export interface AcknowledgementsOptions {
  readonly clock: Clock;
  readonly limitMs: number;
  onOverdue(number: number): void;
}

export interface Acknowledgements {
  sent(number: number): void;
  /** Everything up to and including `number` is saved. */
  acknowledged(number: number): void;
  /** How many messages are under way. */
  readonly outstanding: number;
  dispose(): void;
}

interface Outstanding {
  readonly number: number;
  readonly timer: Timer;
}

export function createAcknowledgements({ clock, limitMs, onOverdue }: AcknowledgementsOptions): Acknowledgements {
  let outstanding: Outstanding[] = [];

  return {
    sent(number) {
      outstanding.push({ number, timer: clock.after(limitMs, () => onOverdue(number)) });
    },
    acknowledged(number) {
      for (const sent of outstanding) if (sent.number <= number) sent.timer.cancel();
      outstanding = outstanding.filter((sent) => sent.number > number);
    },
    get outstanding() {
      return outstanding.length;
    },
    dispose() {
      for (const { timer } of outstanding) timer.cancel();
      outstanding = [];
    },
  };
}
