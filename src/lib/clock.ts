/**
 * Time as a dependency. Everything that waits or asks what time it is takes a `Clock`, so that the same code runs on the
 * system's clock and on the manual clock of the tests and simulations.
 */
import { TimeoutError } from './errors.ts';

export interface Timer {
  /** Makes sure that the timer never runs (again). Harmless when it already has. */
  cancel(): void;
}

export interface AfterOptions {
  /** A background timer does not keep the process alive. */
  readonly background?: boolean;
}

export interface Clock {
  /** Milliseconds since the epoch, as the machine's clock has it; somebody may set that clock. */
  now(): number;
  /** Milliseconds since some moment, however often the machine's clock is set. */
  elapsed(): number;
  /** Runs `run` once, `ms` from now (at once, but never synchronously, when `ms` <= 0). `run` must not throw. */
  after(ms: number, run: () => void, options?: AfterOptions): Timer;
  /** Resolves `ms` from now; rejects with `signal.reason` when aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers take 32 signed bits and run at once beyond that; longer waits are made of several. */
const LONGEST_NODE_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: monotonicMs,
  after: systemAfter,
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** `Clock.sleep` for any clock that has `after`. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Waits for `promise`, at most `ms`. Rejects with a TimeoutError that names `what` when the time is over; the work behind
 * the promise is not ended by that, so give it an AbortSignal where it can be.
 */
export async function deadline<T>(clock: Clock, ms: number, what: string, promise: Promise<T>): Promise<T> {
  const expired = Promise.withResolvers<never>();
  const timer = clock.after(ms, () => expired.reject(new TimeoutError(what, ms)));
  try {
    return await Promise.race([promise, expired.promise]);
  } finally {
    timer.cancel();
  }
}

function systemAfter(ms: number, run: () => void, options: AfterOptions = {}): Timer {
  const due = monotonicMs() + ms;
  let timeout: NodeJS.Timeout;
  const arm = (): void => {
    const left = due - monotonicMs();
    timeout = setTimeout(left > LONGEST_NODE_TIMER_MS ? arm : run, Math.min(Math.max(left, 0), LONGEST_NODE_TIMER_MS));
    if (options.background) timeout.unref();
  };
  arm();
  return { cancel: () => clearTimeout(timeout) };
}

/** Resolves once the events that wait by now have been dealt with: a long row of work breathes so that others get their turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Not `performance.now()`: its first use loads a dozen of Node's modules, which every daemon would keep. */
function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
