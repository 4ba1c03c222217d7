/**
 * Makes images present before their containers are created. Invariants:
 * - Tasks that want one reference at the same time share one pull; it ends early only when all of them have gone.
 * - Only what the registry said leads to the local copy; an engine that does not answer (`unreachable`) is the caller's to wait for.
 * - Where a local copy will do, a registry that could not be reached is left alone for a while instead of delaying every start.
 */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import type { Clock } from '#lib/clock.ts';
import type { Random } from '#lib/random.ts';
import {
  EngineError,
  type ContainerEngine,
  type EngineErrorKind,
  type ImageDescription,
  type PullProgress,
} from './container-engine.ts';
import { parseImageReference } from './image-reference.ts';
import { planPull, type LocalCopy, type PullBehaviour } from './pull-plan.ts';
import type { FindCredentials } from './registry-auth.ts';

export interface ObtainedImage extends ImageDescription {
  /** From the registry, now. */
  pulled: boolean;
  /** Why the registry gave nothing; the local copy runs. */
  fellBack?: EngineError;
}

export interface ObtainOptions {
  signal?: AbortSignal;
  onProgress?: (progress: PullProgress) => void;
}

export interface Images {
  /** Rejects with the EngineError of the last attempt. */
  obtain(reference: string, options?: ObtainOptions): Promise<ObtainedImage>;
}

export interface PulledImages {
  has(reference: string): boolean;
  add(reference: string): void;
}

export interface ImagesOptions {
  engine: Pick<ContainerEngine, 'inspectImage' | 'pull'>;
  clock: Clock;
  random: Random;
  behaviour: PullBehaviour;
  findCredentials?: FindCredentials;
  /** References this agent has pulled, for behaviour `once`; kept over restarts when it is the journal's. */
  pulledBefore?: PulledImages;
  /** No attempt of a pull begins later than this after its first. */
  pullTimeoutMs?: number;
}

/** The ECS agent's. */
const pullBackoff: JitteredBackoffPolicy = { baseMs: 1100, maxMs: 5000, factor: 2, jitter: 0.2 };
const pullAttempts = 5;
const defaultPullTimeoutMs = 2 * 60 * 60 * 1000;

/** How long a registry that failed is not asked for images that are here already. */
const leaveAloneMs = 60_000;

/** What may be otherwise a moment later. */
const passing: ReadonlySet<EngineErrorKind> = new Set(['network', 'rate-limited', 'timeout', 'internal']);

interface SharedPull {
  done: Promise<void>;
  waiting: number;
  controller: AbortController;
  listeners: Set<(progress: PullProgress) => void>;
}

export function createImages(options: ImagesOptions): Images {
  const { engine, clock, random, behaviour, findCredentials, pullTimeoutMs = defaultPullTimeoutMs } = options;
  const pulls = new Map<string, SharedPull>();
  const pulledBefore = options.pulledBefore ?? new Set<string>();
  const leftAlone = new Map<string, { until: number; error: EngineError }>();

  async function pullWithRetries(reference: string, attempts: number, shared: Omit<SharedPull, 'done'>): Promise<void> {
    const credentials = findCredentials?.(reference);
    const { signal } = shared.controller;
    const latest = clock.now() + pullTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      try {
        await engine.pull(reference, {
          signal,
          ...(credentials !== undefined && { credentials }),
          onProgress: (progress) => shared.listeners.forEach((listen) => listen(progress)),
        });
        return;
      } catch (error) {
        if (!(error instanceof EngineError) || !passing.has(error.kind)) throw error;
        if (attempt >= attempts || clock.now() >= latest) throw attempt === 1 ? error : afterRetries(error, attempt);
        await clock.sleep(jittered(pullBackoff, attempt - 1, random), signal);
      }
    }
  }

  /** Rejects with EngineErrors; with `aborted` when this caller's signal aborts, whatever becomes of the pull. */
  async function sharedPull(reference: string, attempts: number, { signal, onProgress }: ObtainOptions): Promise<void> {
    const shared = pulls.get(reference) ?? begin(reference, attempts);
    shared.waiting++;
    if (onProgress !== undefined) shared.listeners.add(onProgress);
    const calledOff = Promise.withResolvers<never>();
    const onAbort = (): void => calledOff.reject(new EngineError('aborted', `pull of ${reference} was called off`));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([shared.done, calledOff.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (onProgress !== undefined) shared.listeners.delete(onProgress);
      shared.waiting--;
      if (shared.waiting === 0) {
        forget(reference, shared);
        shared.controller.abort();
      }
    }
  }

  function begin(reference: string, attempts: number): SharedPull {
    const listeners = new Set<(progress: PullProgress) => void>();
    const joined = { waiting: 0, controller: new AbortController(), listeners };
    const shared = Object.assign(joined, { done: pullWithRetries(reference, attempts, joined) });
    pulls.set(reference, shared);
    // Whoever still waits sees the failure; when all have gone nobody need see it.
    shared.done.catch(() => undefined).finally(() => forget(reference, shared));
    return shared;
  }

  /** A pull that all had left may end after another one has begun. */
  function forget(reference: string, shared: SharedPull): void {
    if (pulls.get(reference) === shared) pulls.delete(reference);
  }

  async function pulledImage(reference: string, signal: AbortSignal | undefined): Promise<ImageDescription> {
    pulledBefore.add(reference);
    const image = await engine.inspectImage(reference, signal && { signal });
    if (image === undefined) throw new EngineError('internal', `${reference} was pulled and is not there`);
    return image;
  }

  return {
    async obtain(reference, { signal, onProgress } = {}) {
      const registry = parseImageReference(reference)?.registry;
      if (registry === undefined) throw new EngineError('invalid', `invalid reference format: ${reference}`);
      const local = await engine.inspectImage(reference, signal && { signal });
      const { pull } = planPull(behaviour, localCopy(local), pulledBefore.has(reference));
      if (local !== undefined && pull === 'no') return { ...local, pulled: false };
      const rest = leftAlone.get(registry);
      if (local !== undefined && pull === 'try' && rest !== undefined && clock.now() < rest.until) {
        return { ...local, pulled: false, fellBack: rest.error };
      }
      try {
        const watching = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
        await sharedPull(reference, pull === 'try' ? 1 : pullAttempts, watching);
      } catch (error) {
        if (!(error instanceof EngineError) || local === undefined || pull !== 'try') throw error;
        if (error.kind === 'unreachable' || error.kind === 'aborted') throw error;
        if (passing.has(error.kind)) leftAlone.set(registry, { until: clock.now() + leaveAloneMs, error });
        return { ...local, pulled: false, fellBack: error };
      }
      leftAlone.delete(registry);
      return { ...(await pulledImage(reference, signal)), pulled: true };
    },
  };
}

function localCopy(image: ImageDescription | undefined): LocalCopy {
  if (image === undefined) return 'none';
  return image.digest === undefined ? 'made-here' : 'from-registry';
}

function afterRetries(error: EngineError, attempts: number): EngineError {
  return new EngineError(error.kind, `pull has been retried ${attempts} time(s): ${error.message}`, { cause: error });
}
