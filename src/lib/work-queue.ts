/**
 * A queue of keys to look at, the heart of every reconciling loop.
 *
 * - A key that waits is in the queue once, however often it is added.
 * - One key never runs twice at once; an add during its run makes it run once more afterwards.
 * - A run that fails is tried again after a back-off that grows with each failure in a row; a fresh add does not wait for it.
 * - A key has one scheduled moment, the earliest asked for. A run is expected to look at everything and to say through
 *   `lookAgainAt` when the next look is due, so nothing depends on a later moment that gave way to an earlier one.
 */
import { jittered, type JitteredBackoffPolicy } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';
import type { Random } from './random.ts';

export interface WorkQueue {
  /** Runs `key` as soon as there is room. */
  add(key: string): void;
  addAfter(key: string, ms: number): void;
  /** `at` is in epoch milliseconds; a moment in the past means now. */
  addAt(key: string, at: number): void;
  /** Resolves when no key runs or is due. Keys scheduled for later do not count. */
  idle(): Promise<void>;
  /** Forgets what waits, starts nothing more, and resolves when the last run has ended. */
  stop(): Promise<void>;
}

export interface LookAgain {
  /** Epoch milliseconds. */
  readonly lookAgainAt?: number | undefined;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How many keys run at once. */
  readonly concurrency: number;
  readonly backoff: JitteredBackoffPolicy;
  run(key: string): Promise<LookAgain | void>;
  /** `attempt` counts the failures in a row, from 1. Must not throw. */
  onError(key: string, error: unknown, attempt: number): void;
}

interface Scheduled {
  readonly at: number;
  readonly timer: Timer;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { clock, random, concurrency, backoff } = options;
  /** In the order of their turn; a Set so that a key waits once. */
  const due = new Set<string>();
  const running = new Set<string>();
  const addedWhileRunning = new Set<string>();
  const scheduled = new Map<string, Scheduled>();
  const failures = new Map<string, number>();
  let idleWaiters: (() => void)[] = [];
  let stopped = false;

  function add(key: string): void {
    if (stopped) return;
    if (running.has(key)) {
      addedWhileRunning.add(key);
      return;
    }
    due.add(key);
    queueMicrotask(startWhatFits);
  }

  function addAt(key: string, at: number): void {
    if (stopped) return;
    const earlier = scheduled.get(key);
    if (earlier !== undefined && earlier.at <= at) return;
    earlier?.timer.cancel();
    scheduled.delete(key);
    if (at <= clock.now()) {
      add(key);
      return;
    }
    const timer = clock.after(at - clock.now(), () => {
      scheduled.delete(key);
      add(key);
    });
    scheduled.set(key, { at, timer });
  }

  function startWhatFits(): void {
    for (const key of due) {
      if (running.size >= concurrency) break;
      due.delete(key);
      running.add(key);
      void runOnce(key);
    }
    releaseIdleWaiters();
  }

  async function runOnce(key: string): Promise<void> {
    try {
      const result = await options.run(key);
      failures.delete(key);
      if (result?.lookAgainAt !== undefined) addAt(key, result.lookAgainAt);
    } catch (error) {
      const attempt = (failures.get(key) ?? 0) + 1;
      failures.set(key, attempt);
      options.onError(key, error, attempt);
      addAt(key, clock.now() + jittered(backoff, attempt - 1, random));
    } finally {
      running.delete(key);
      if (addedWhileRunning.delete(key)) add(key);
      startWhatFits();
    }
  }

  function releaseIdleWaiters(): void {
    if (due.size > 0 || running.size > 0) return;
    const released = idleWaiters;
    idleWaiters = [];
    for (const release of released) release();
  }

  function idle(): Promise<void> {
    if (due.size === 0 && running.size === 0) return Promise.resolve();
    return new Promise((resolve) => idleWaiters.push(resolve));
  }

  return {
    add,
    addAt,
    addAfter: (key, ms) => addAt(key, clock.now() + ms),
    idle,
    stop() {
      stopped = true;
      for (const { timer } of scheduled.values()) timer.cancel();
      scheduled.clear();
      due.clear();
      addedWhileRunning.clear();
      return idle();
    },
  };
}
