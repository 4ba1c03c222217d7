/**
 * Images before their tasks: those that the operator lists, in the background, and those that control asks for ahead of a deployment. Invariants:
 * - Pulls of the operator's list go one at a time, wait while tasks pull, and make way for a task's pull that takes its time.
 * - What is listed, and what was asked for a while ago, counts as wanted, so that no cleaning takes it.
 */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import { createBackground } from '#lib/background.ts';
import type { Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { PrepullOutcome } from '#protocol/session/prepull.ts';
import type { PrepullImage } from '#model/prepull.ts';
import { couldNotAsk, EngineError } from '../engine/container-engine.ts';
import { failureReason } from '../tasks/stop-reason.ts';
import type { Images } from './runner-ports.ts';

export interface PrepullOptions {
  images: Images;
  /** References that the operator wants on this machine. */
  listed: readonly string[];
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface ListedImage {
  readonly image: string;
  readonly state: 'waiting' | 'pulling' | 'here' | 'failed';
  /** Of the last attempt that failed. */
  readonly reason?: string;
}

export interface Prepull {
  /** For tasks: their pulls come first. */
  readonly images: Images;
  /** Begins with the list; harmless when it has begun. */
  start(): void;
  stop(): Promise<void>;
  /** Resolves when all are here, or with why one cannot be. */
  obtain(images: readonly PrepullImage[]): Promise<PrepullOutcome['outcome']>;
  /** References that must not be cleaned up. */
  wanted(): string[];
  listed(): ListedImage[];
}

/** Over all of the list's tries; each is itself the usual number of attempts. */
const againBackoff: JitteredBackoffPolicy = { baseMs: 60_000, maxMs: 30 * 60_000, factor: 2, jitter: 0.2 };
/** A task's pull that is over by then was none to speak of. */
const makeWayAfterMs = 1000;
/** Longer than control waits, so that the task that comes then finds its image. */
const keptForMs = 15 * 60_000;
/** Between questions to an engine that does not answer. */
const engineBackoff: JitteredBackoffPolicy = { baseMs: 1000, maxMs: 30_000, factor: 2, jitter: 0.2 };

/** In the words in which a task would say it. */
function reasonOf(error: unknown): string {
  return failureReason('pull', {
    kind: error instanceof EngineError ? error.kind : 'internal',
    message: messageOf(error),
  });
}

export function createPrepull({ images, listed, clock, random, logger }: PrepullOptions): Prepull {
  const background = createBackground({
    onError: (name, error) => logger.error({ error, name }, 'a pull ahead of tasks failed in an unforeseen way'),
  });
  const ending = new AbortController();
  const { signal } = ending;
  const slot = createSemaphore(1);
  const states = new Map<string, ListedImage>(listed.map((image) => [image, { image, state: 'waiting' }]));
  /** Reference to the time until which it is kept. */
  const kept = new Map<string, number>();
  let pulling: { image: string; makeWay: AbortController } | undefined;
  let tasksPulling = 0;
  let idle = Promise.withResolvers<void>();
  let started = false;
  idle.resolve();

  const forTasks: Images = {
    async obtain(reference, options) {
      if (tasksPulling === 0) idle = Promise.withResolvers();
      tasksPulling += 1;
      const timer = clock.after(makeWayAfterMs, () => {
        if (pulling !== undefined && pulling.image !== reference) pulling.makeWay.abort(new Error('a task pulls'));
      });
      try {
        return await images.obtain(reference, options);
      } finally {
        timer.cancel();
        tasksPulling -= 1;
        if (tasksPulling === 0) idle.resolve();
      }
    },
  };

  /** `madeWay`: a task's pull came first, and it is to be tried again at once. */
  async function pullOnce(image: string): Promise<'here' | 'madeWay' | 'failed'> {
    await idle.promise;
    if (signal.aborted) return 'madeWay';
    const makeWay = new AbortController();
    pulling = { image, makeWay };
    states.set(image, { image, state: 'pulling' });
    try {
      await images.obtain(image, { signal: AbortSignal.any([signal, makeWay.signal]) });
      states.set(image, { image, state: 'here' });
      logger.info({ image }, 'an image of the list is here');
      return 'here';
    } catch (error) {
      if (signal.aborted || makeWay.signal.aborted) {
        states.set(image, { image, state: 'waiting' });
        return 'madeWay';
      }
      const reason = messageOf(error);
      states.set(image, { image, state: 'failed', reason });
      logger.warn({ image, reason }, 'an image of the list could not be pulled; it is tried again');
      return 'failed';
    } finally {
      pulling = undefined;
    }
  }

  async function bring(image: string): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const outcome = await slot.run(() => pullOnce(image), signal);
      if (outcome === 'here') return;
      if (outcome === 'madeWay') continue;
      await clock.sleep(jittered(againBackoff, failures, random), signal);
      failures += 1;
    }
  }

  async function bringUnlessStopped(image: string): Promise<void> {
    try {
      await bring(image);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** An engine that cannot be asked says nothing about an image: it is asked again. */
  async function obtainOnceAsked({ image, secret }: PrepullImage): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      try {
        await forTasks.obtain(image, { signal, secret });
        return;
      } catch (error) {
        if (signal.aborted || !couldNotAsk(error)) throw error;
        await clock.sleep(jittered(engineBackoff, failures, random), signal);
      }
    }
  }

  return {
    images: forTasks,
    start() {
      if (started) return;
      started = true;
      for (const image of states.keys()) background.spawn(`pull of ${image}`, bringUnlessStopped(image));
    },
    async stop() {
      ending.abort(new Error('the agent stops'));
      idle.resolve();
      await background.settled();
    },
    async obtain(asked) {
      const until = clock.now() + keptForMs;
      for (const { image } of asked) kept.set(image, until);
      const pulls = asked.map((image) => obtainOnceAsked(image));
      const ended = await Promise.allSettled(pulls);
      const keptUntil = clock.now() + keptForMs;
      for (const { image } of asked) kept.set(image, keptUntil);
      const failed = ended.find(({ status }) => status === 'rejected');
      return failed?.status === 'rejected' ? { kind: 'failed', reason: reasonOf(failed.reason) } : { kind: 'pulled' };
    },
    wanted() {
      const now = clock.now();
      for (const [image, until] of kept) if (until <= now) kept.delete(image);
      return [...states.keys(), ...kept.keys()];
    },
    listed: () => [...states.values()],
  };
}
