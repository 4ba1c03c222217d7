/**
 * A daemon's process in a simulation: its clock, random and ids, and the way to end it like kill -9. After the kill nothing of it happens any
 * more: its timers are gone, and whatever it awaits outside never answers. Its wall clock may be wrong; its timers are not (they are monotonic).
 */
import { sleepOn, type Clock, type Timer } from '#lib/clock.ts';
import { seededIds, type Ids } from '#lib/ids.ts';
import { seededRandom, type Random } from '#lib/random.ts';

/** The wall clock of a machine: how far it is from the true time, in milliseconds. Steps survive restarts of processes. */
export interface WallClock {
  offsetMs: number;
}

export interface SimulatedProcessOptions {
  /** e.g. `control#3`. */
  readonly name: string;
  readonly clock: Clock;
  readonly wall: WallClock;
  readonly seed: number;
}

/** What code that outlived its process runs into when it cannot be made to wait for ever. */
export class ProcessKilledError extends Error {
  override readonly name = 'ProcessKilledError';
}

export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly #timers = new Set<Timer>();
  readonly #onKill: (() => void)[] = [];
  #alive = true;

  constructor({ name, clock, wall, seed }: SimulatedProcessOptions) {
    this.name = name;
    this.random = seededRandom(seed);
    this.ids = seededIds(this.random);
    const after = (ms: number, run: () => void): Timer => this.#after(clock, ms, run);
    this.clock = {
      now: () => clock.now() + wall.offsetMs,
      elapsed: () => clock.elapsed(),
      after,
      sleep: (ms, signal) => sleepOn({ after }, ms, signal),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    for (const run of this.#onKill) run();
  }

  /** What becomes of the outside world's end of things: sockets close, locks are let go. */
  onKill(run: () => void): void {
    this.#onKill.push(run);
  }

  /** Throws when the process is dead: at the door of anything synchronous. */
  check(): void {
    if (!this.#alive) throw new ProcessKilledError(`${this.name} was killed`);
  }

  /** The outside's answer as this process hears it: never, once it is dead. */
  hears<T>(ask: () => Promise<T>): Promise<T> {
    if (!this.#alive) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      ask().then(
        (value) => void (this.#alive && resolve(value)),
        (error: unknown) => void (this.#alive && reject(error)),
      );
    });
  }

  #after(clock: Clock, ms: number, run: () => void): Timer {
    if (!this.#alive) return { cancel: () => undefined };
    // Times are whole milliseconds, as the system's clock tells them.
    const timer = clock.after(Math.ceil(ms), () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }
}
