/**
 * A daemon's process in a simulation: its clock, random and ids, and the way to end it like kill -9. After the kill nothing of it happens any
 * more: its timers are gone, and whatever it awaits outside never answers. Its wall clock may be wrong; its timers are not (they are monotonic).
 *
 * It can also be paused, as by SIGSTOP, a suspended machine or a lid that is closed: what comes due or arrives meanwhile waits, and comes all at once
 * when it goes on, timers before what the kernel kept for it.
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
  readonly #trueTime: Clock;
  readonly #timers = new Set<Timer>();
  readonly #onKill: (() => void)[] = [];
  #alive = true;
  /** While it is paused: what has come due, and what has arrived. */
  #missed: { readonly timers: (() => void)[]; readonly arrivals: (() => void)[] } | undefined;

  constructor({ name, clock, wall, seed }: SimulatedProcessOptions) {
    this.name = name;
    this.#trueTime = clock;
    this.random = seededRandom(seed);
    this.ids = seededIds(this.random);
    const after = (ms: number, run: () => void): Timer => this.#after(ms, run);
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

  get paused(): boolean {
    return this.#missed !== undefined;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#missed = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    for (const run of this.#onKill) run();
  }

  /** Stands still for `ms`; only when it is not standing still already. */
  pause(ms: number): void {
    if (!this.#alive || this.paused) return;
    this.#missed = { timers: [], arrivals: [] };
    this.#trueTime.after(ms, () => this.#goOn());
  }

  /** What becomes of the outside world's end of things: sockets close, locks are let go. */
  onKill(run: () => void): void {
    this.#onKill.push(run);
  }

  /** Throws when the process is dead: at the door of anything synchronous. */
  check(): void {
    if (!this.#alive) throw new ProcessKilledError(`${this.name} was killed`);
  }

  /** Something from outside reaches it: now, when it goes on, or never. */
  arrives(take: () => void): void {
    if (!this.#alive) return;
    if (this.#missed === undefined) take();
    else this.#missed.arrivals.push(take);
  }

  /** The outside's answer as this process hears it: never, once it is dead. */
  hears<T>(ask: () => Promise<T>): Promise<T> {
    if (!this.#alive) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      ask().then(
        (value) => this.arrives(() => resolve(value)),
        (error: unknown) => this.arrives(() => reject(error)),
      );
    });
  }

  #goOn(): void {
    const missed = this.#missed;
    this.#missed = undefined;
    if (missed === undefined) return;
    for (const run of [...missed.timers, ...missed.arrivals]) {
      this.#trueTime.after(0, () => {
        if (!this.#alive) return;
        if (this.#missed === undefined) run();
        else this.#missed.arrivals.push(run);
      });
    }
  }

  #after(ms: number, run: () => void): Timer {
    if (!this.#alive) return { cancel: () => undefined };
    let cancelled = false;
    const due = (): void => {
      if (!cancelled) run();
    };
    // Times are whole milliseconds, as the system's clock tells them.
    const timer = this.#trueTime.after(Math.ceil(ms), () => {
      this.#timers.delete(timer);
      if (this.#missed === undefined) due();
      else this.#missed.timers.push(due);
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        cancelled = true;
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }
}
