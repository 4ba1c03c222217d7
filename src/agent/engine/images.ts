/**
 * Makes images present before their containers are created. Invariants:
 * - Tasks that want one reference at the same time share one pull; it ends early only when all of them have gone.
 * - Only what the registry said leads to the local copy; an engine that does not answer (`unreachable`) is the caller's to wait for.
 * - Where a local copy will do, a registry that could not be reached is left alone for a while instead of delaying every start.
 * - A container that names a secret is pulled for with that secret's credentials, and shares with those that name the same one only.
 * - Each look and each attempt shares the lock that a cleaning has alone; waiting for the next attempt does not.
 */
import type { Clock } from '#lib/clock.ts';
import { silentLogger, type Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { createSharedLock, type SharedLock } from '#lib/shared-lock.ts';
import {
  couldNotAsk,
  EngineError,
  type ContainerEngine,
  type ImageDescription,
  type RegistryCredentials,
} from './container-engine.ts';
import type { ImageRecords } from './image-cleanup.ts';
import { canonicalReference, parseImageReference } from '#model/image-reference.ts';
import { createPace, describeProgress, describeRetry } from './pull-news.ts';
import { planPull, type LocalCopy, type PullBehaviour } from './pull-plan.ts';
import { mayPass, retryDelay } from './pull-retry.ts';
import { createPullConsents } from './pull-consent.ts';
import type { FindCredentials } from './registry-auth.ts';
import type { RegistrySecrets } from './registry-secrets.ts';

export interface ObtainedImage extends ImageDescription {
  /** From the registry, now. */
  pulled: boolean;
  /** Why the registry gave nothing; the local copy runs. */
  fellBack?: EngineError;
}

export interface ObtainOptions {
  signal?: AbortSignal;
  /** Stands for the credentials to pull with, instead of the agent's own. */
  secret?: string | undefined;
  /** How the pull is getting on, in words, every few seconds. */
  tell?: (news: string) => void;
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
  /** Absent where the operator has named none. */
  secrets?: Pick<RegistrySecrets, 'find'>;
  /** References (canonical) this agent has pulled, for behaviour `once`; kept over restarts when it is the journal's. */
  pulledBefore?: PulledImages;
  /** No attempt of a pull begins later than this after its first. */
  pullTimeoutMs?: number;
  /** Which images were pulled and used when, for those who clean up. */
  records?: Pick<ImageRecords, 'pulled' | 'used'>;
  /** The one of the cleaning. */
  lock?: SharedLock;
  /** Asked for before a pull that found the disk full is tried again. */
  makeRoom?: () => Promise<void>;
  logger?: Logger;
}

const defaultPullTimeoutMs = 2 * 60 * 60 * 1000;

/** How long a registry that failed is not asked for images that are here already. */
const leaveAloneMs = 60_000;
/** A use is written down this often at most: it only decides what is cleaned up first. */
const recordUseEveryMs = 10 * 60_000;
const tellEveryMs = 5000;

/** An image, and on whose behalf. */
interface Wanted {
  readonly reference: string;
  readonly secret: string | undefined;
}

function keyOf({ reference, secret = '' }: Wanted): string {
  return `${reference} ${secret}`;
}

interface SharedPull {
  done: Promise<void>;
  waiting: number;
  controller: AbortController;
  listeners: Set<(news: string) => void>;
}

export function createImages(options: ImagesOptions): Images {
  const { engine, clock, random, behaviour, findCredentials, pullTimeoutMs = defaultPullTimeoutMs } = options;
  const { records, makeRoom, lock = createSharedLock(), logger = silentLogger } = options;
  const pulls = new Map<string, SharedPull>();
  const pulledBefore = options.pulledBefore ?? new Set<string>();
  const consents = createPullConsents(pulledBefore);
  const leftAlone = new Map<string, { until: number; error: EngineError }>();

  const usesRecorded = new Map<string, number>();

  /** Asked before each attempt: credentials may have been renewed meanwhile. */
  function credentialsFor({ reference, secret }: Wanted): RegistryCredentials | undefined {
    if (secret === undefined) return findCredentials?.(reference);
    if (options.secrets !== undefined) return options.secrets.find(secret);
    throw new EngineError('no-credentials', `this machine knows no credentials for the secret ${secret}`);
  }

  async function pullWithRetries(wanted: Wanted, retries: boolean, shared: Omit<SharedPull, 'done'>): Promise<void> {
    const { reference } = wanted;
    const { signal } = shared.controller;
    const isTime = createPace(tellEveryMs);
    const tell = (news: string): void => shared.listeners.forEach((listen) => listen(news));
    const latest = clock.elapsed() + pullTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      try {
        const credentials = credentialsFor(wanted);
        await lock.shared(() =>
          engine.pull(reference, {
            signal,
            ...(credentials !== undefined && { credentials }),
            onProgress(progress) {
              const news = describeProgress(progress);
              if (news !== undefined && isTime(clock.elapsed())) tell(news);
            },
          }),
        );
        return;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        const delay = retries && clock.elapsed() < latest ? retryDelay(error, attempt, random) : undefined;
        if (delay === undefined) throw attempt === 1 ? error : afterRetries(error, attempt);
        tell(describeRetry(delay, error.message));
        if (error.kind === 'disk-full') await makeRoom?.();
        await clock.sleep(delay, signal);
      }
    }
  }

  /** Rejects with EngineErrors; with `aborted` when this caller's signal aborts, whatever becomes of the pull. */
  async function sharedPull(wanted: Wanted, retries: boolean, { signal, tell }: ObtainOptions): Promise<void> {
    const { reference } = wanted;
    const shared = pulls.get(keyOf(wanted)) ?? begin(wanted, retries);
    shared.waiting++;
    if (tell !== undefined) shared.listeners.add(tell);
    const calledOff = Promise.withResolvers<never>();
    const onAbort = (): void => calledOff.reject(new EngineError('aborted', `pull of ${reference} was called off`));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([shared.done, calledOff.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (tell !== undefined) shared.listeners.delete(tell);
      shared.waiting--;
      if (shared.waiting === 0) {
        forget(wanted, shared);
        shared.controller.abort();
      }
    }
  }

  function begin(wanted: Wanted, retries: boolean): SharedPull {
    const listeners = new Set<(news: string) => void>();
    const joined = { waiting: 0, controller: new AbortController(), listeners };
    const shared = Object.assign(joined, { done: pullWithRetries(wanted, retries, joined) });
    pulls.set(keyOf(wanted), shared);
    // Whoever still waits sees the failure; when all have gone nobody need see it.
    shared.done.catch(() => undefined).finally(() => forget(wanted, shared));
    return shared;
  }

  /** A pull that all had left may end after another one has begun. */
  function forget(wanted: Wanted, shared: SharedPull): void {
    if (pulls.get(keyOf(wanted)) === shared) pulls.delete(keyOf(wanted));
  }

  async function pulledImage(
    { reference, secret }: Wanted,
    signal: AbortSignal | undefined,
  ): Promise<ImageDescription> {
    const image = await engine.inspectImage(reference, signal && { signal });
    if (image === undefined) throw new EngineError('internal', `${reference} was pulled and is not there`);
    remember(() => {
      pulledBefore.add(canonicalReference(reference));
      consents.given(reference, secret);
      records?.pulled(image.id, clock.now());
    });
    return image;
  }

  function recordUse({ id }: ImageDescription): void {
    const now = clock.now();
    if (now - (usesRecorded.get(id) ?? 0) < recordUseEveryMs) return;
    usesRecorded.set(id, now);
    remember(() => records?.used([id], now));
  }

  /** What is remembered serves convenience: a start does not fail for it. */
  function remember(write: () => void): void {
    try {
      write();
    } catch (error) {
      logger.warn({ error }, 'what is remembered of images could not be saved');
    }
  }

  /** Not while a cleaning is under way: what is seen here is then safe, because its task is known. */
  function lookHere(reference: string, signal: AbortSignal | undefined): Promise<ImageDescription | undefined> {
    return lock.shared(() => engine.inspectImage(reference, signal && { signal }));
  }

  async function obtain(reference: string, options: ObtainOptions): Promise<ObtainedImage> {
    const parsed = parseImageReference(reference);
    if (parsed === undefined) throw new EngineError('invalid', `invalid reference format: ${reference}`);
    const { registry, digest } = parsed;
    const wanted: Wanted = { reference, secret: options.secret };
    const local = await lookHere(reference, options.signal);
    const request = {
      local: localCopy(local),
      pulledBefore: pulledBefore.has(canonicalReference(reference)),
      byDigest: digest !== undefined,
      reusable: consents.mayReuse(reference, wanted.secret),
    };
    const { pull } = planPull(behaviour, request);
    if (local !== undefined && pull === 'no') return { ...local, pulled: false };
    const rest = leftAlone.get(registry);
    if (local !== undefined && pull === 'try' && rest !== undefined && clock.elapsed() < rest.until) {
      return { ...local, pulled: false, fellBack: rest.error };
    }
    try {
      await sharedPull(wanted, pull === 'must', options);
    } catch (error) {
      if (!(error instanceof EngineError) || local === undefined || pull !== 'try') throw error;
      // The registry had no say in these, so they do not lead to the local copy.
      if (couldNotAsk(error) || error.kind === 'no-credentials') throw error;
      if (mayPass(error.kind)) leftAlone.set(registry, { until: clock.elapsed() + leaveAloneMs, error });
      logger.warn({ image: reference, reason: error.message }, 'an image could not be pulled; the local copy is used');
      return { ...local, pulled: false, fellBack: error };
    }
    leftAlone.delete(registry);
    return { ...(await pulledImage(wanted, options.signal)), pulled: true };
  }

  return {
    async obtain(reference, options = {}) {
      const image = await obtain(reference, options);
      recordUse(image);
      return image;
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
