/** Keeps the engine's event stream open: what comes through it are hints, what was missed while it was down is found by looking. */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import type { Clock } from '#lib/clock.ts';
import type { Random } from '#lib/random.ts';
import type { ContainerEngine, EngineEvent } from '../engine/container-engine.ts';

export interface EngineEventsOptions {
  engine: Pick<ContainerEngine, 'events'>;
  labelKeys: readonly string[];
  clock: Clock;
  random: Random;
  signal: AbortSignal;
  /** The stream stands: from now on nothing is missed. */
  opened(): void;
  event(event: EngineEvent): void;
  /** It ended, or could not be opened. */
  lost(error: unknown): void;
}

/** ecs-agent's: 2 s to 200 s. */
const reconnectBackoff: JitteredBackoffPolicy = { baseMs: 2000, maxMs: 200_000, factor: 1.5, jitter: 0.2 };

/** Resolves when `signal` aborts. */
export async function followEngineEvents(options: EngineEventsOptions): Promise<void> {
  const { engine, labelKeys, clock, random, signal } = options;
  let attempt = 0;
  while (!signal.aborted) {
    try {
      const events = await engine.events({ labelKeys, signal });
      attempt = 0;
      options.opened();
      for await (const event of events) options.event(event);
      if (!signal.aborted) options.lost(new Error('the engine ended its event stream'));
    } catch (error) {
      if (!signal.aborted) options.lost(error);
    }
    await untilNextAttempt(clock, jittered(reconnectBackoff, attempt, random), signal);
    attempt += 1;
  }
}

/** A sleep that an abort ends without an error. */
function untilNextAttempt(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const over = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = clock.after(ms, over);
    signal.addEventListener('abort', over, { once: true });
  });
}
