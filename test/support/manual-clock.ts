/**
 * A clock that moves only when told to. Timers run in the order of their time, then of their making, and what they set
 * in motion settles before the next one runs, so a test sees the same order every time.
 */
import { setImmediate as nextMacrotask } from 'node:timers/promises';
import { sleepOn, type Clock, type Timer } from '#lib/clock.ts';

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** 2026-01-01T00:00:00Z, so that times in failures look like times. */
const DEFAULT_START = 1_767_225_600_000;

export class ManualClock implements Clock {
  #now: number;
  #made = 0;
  readonly #pending = new Set<PendingTimer>();

  constructor(start: number = DEFAULT_START) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const timer: PendingTimer = { at: this.#now + Math.max(ms, 0), order: this.#made++, run };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** When the next timer is due, in epoch milliseconds; undefined when there is none. */
  nextTimerAt(): number | undefined {
    return this.#next()?.at;
  }

  /** How many timers wait: what a test of clean shutdowns wants to be 0. */
  pendingTimers(): number {
    return this.#pending.size;
  }

  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#now + ms);
  }

  /** Moves to `time`, running every timer that is due on the way, those made on the way included. */
  async advanceTo(time: number): Promise<void> {
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= time; next = this.#next()) await this.#fire(next);
    this.#now = Math.max(this.#now, time);
  }

  /** Moves to the next timer and runs it. False when there is none. */
  async advanceToNextTimer(): Promise<boolean> {
    const next = this.#next();
    if (next === undefined) return false;
    await this.#fire(next);
    return true;
  }

  /** Moves from timer to timer until `condition` holds; throws when it does not within `limitMs` of this clock. */
  async advanceUntil(condition: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
    const limit = this.#now + limitMs;
    await settle();
    while (!(await condition())) {
      const next = this.#next();
      if (next === undefined) throw new Error('the condition does not hold and no timer is left');
      if (next.at > limit) throw new Error(`the condition did not hold within ${limitMs} ms`);
      await this.#fire(next);
    }
  }

  async #fire(timer: PendingTimer): Promise<void> {
    this.#pending.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
    await settle();
  }

  #next(): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#pending) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Lets everything run that needs no time to pass: microtasks, and what they put into the next turns of the event loop. */
export async function settle(rounds: number = 2): Promise<void> {
  for (let round = 0; round < rounds; round++) await nextMacrotask();
}
