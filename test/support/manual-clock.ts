/**
 * A clock that moves only when told to. Timers run in the order of their time, then of their making, and what they set
 * in motion settles before the next one runs, so a test sees the same order every time.
 */
import { sleepOn, type Clock, type Timer } from '#lib/clock.ts';

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it ran or was cancelled; such a timer stays in the heap until it comes to its top. */
  run: (() => void) | undefined;
}

export interface ManualClockOptions {
  /** Turns of the event loop that follow each timer; 2 unless set. One is enough where nothing but promises goes on. */
  readonly settleRounds?: number;
}

/** 2026-01-01T00:00:00Z, so that times in failures look like times. */
const DEFAULT_START = 1_767_225_600_000;

export class ManualClock implements Clock {
  #now: number;
  #made = 0;
  #waiting = 0;
  /** A binary heap: what is due first is at its top. */
  readonly #heap: PendingTimer[] = [];
  readonly #settleRounds: number | undefined;

  constructor(start: number = DEFAULT_START, { settleRounds }: ManualClockOptions = {}) {
    this.#now = start;
    this.#settleRounds = settleRounds;
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const timer: PendingTimer = { at: this.#now + Math.max(ms, 0), order: this.#made++, run };
    this.#push(timer);
    this.#waiting += 1;
    return {
      cancel: () => {
        if (timer.run === undefined) return;
        timer.run = undefined;
        this.#waiting -= 1;
      },
    };
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
    return this.#waiting;
  }

  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#now + ms);
  }

  /** Moves to `time`, running every timer that is due on the way, those made on the way included. */
  async advanceTo(time: number): Promise<void> {
    await settle(this.#settleRounds);
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
    await settle(this.#settleRounds);
    while (!(await condition())) {
      const next = this.#next();
      if (next === undefined) throw new Error('the condition does not hold and no timer is left');
      if (next.at > limit) throw new Error(`the condition did not hold within ${limitMs} ms`);
      await this.#fire(next);
    }
  }

  #fire(timer: PendingTimer): Promise<void> {
    const { run } = timer;
    timer.run = undefined;
    this.#waiting -= 1;
    this.#now = Math.max(this.#now, timer.at);
    run?.();
    return settle(this.#settleRounds);
  }

  #next(): PendingTimer | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.run !== undefined) return top;
      this.#pop();
    }
    return undefined;
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, timer)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const [one, other] = [heap[left], heap[left + 1]];
      if (one === undefined) break;
      const right = other !== undefined && isBefore(other, one);
      const child = right ? other : one;
      if (isBefore(last, child)) break;
      heap[index] = child;
      index = right ? left + 1 : left;
    }
    heap[index] = last;
  }
}

function isBefore(one: PendingTimer, other: PendingTimer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** Lets everything run that needs no time to pass: microtasks, and what they put into the next turns of the event loop. */
export function settle(rounds: number = 2): Promise<void> {
  return new Promise((resolve) => {
    const turn = (left: number): void => {
      if (left === 0) resolve();
      else setImmediate(turn, left - 1);
    };
    turn(rounds);
  });
}
