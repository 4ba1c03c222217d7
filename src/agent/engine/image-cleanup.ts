/**
 * Takes images that nobody needs off the engine: looks at the disk, decides (image-cleanup-plan.ts), removes. Invariants: it lists, decides and
 * removes while no pull is under way and no task is looking for its image, so that nothing goes that was just found or fetched; an engine or disk
 * that could not be looked at leads to no removal.
 */
import { createBackground } from '#lib/background.ts';
import type { Clock, Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { SharedLock } from '#lib/shared-lock.ts';
import { couldNotAsk, EngineError, type ContainerEngine, type ListedImage } from './container-engine.ts';
import {
  cleanupDue,
  diskLookMs,
  namesOf,
  planCleanup,
  type CleanupSettings,
  type CleanupState,
  type ImageRecord,
} from './image-cleanup-plan.ts';

/** What is remembered of pulled images, over restarts when it is the journal's. */
export interface ImageRecords {
  all(): ImageRecord[];
  pulled(imageId: string, at: number): void;
  /** Of those that were pulled here; others are ignored. */
  used(imageIds: readonly string[], at: number): void;
  forget(imageId: string): void;
}

export interface ImageCleanupOptions {
  engine: Pick<ContainerEngine, 'listImages' | 'list' | 'removeImage'>;
  /** Pulls share it; a cleaning has it alone. */
  lock: SharedLock;
  records: ImageRecords;
  /** Whether this agent has pulled that name. */
  isOurs(reference: string): boolean;
  /** References of all tasks that have not ended. */
  wanted(): readonly string[];
  /** Of the disk with the images; undefined when it cannot be looked at. */
  diskUsedPercent(): Promise<number | undefined>;
  settings: CleanupSettings;
  clock: Clock;
  logger: Logger;
}

export interface ImageCleanup {
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
  /** Removes one batch now, whatever the marks say: a pull found no space. */
  relieve(): Promise<void>;
}

/** While pulls are under way. */
const comeBackMs = 5000;

export function createImageCleanup(options: ImageCleanupOptions): ImageCleanup {
  const { engine, lock, records, settings, clock, logger } = options;
  const background = createBackground({
    onError: (name, error) => logger.warn({ error, name }, 'images could not be cleaned up; it is tried again'),
  });
  const ending = new AbortController();
  const { signal } = ending;
  let state: CleanupState = { lastCycleAt: clock.now(), relieving: false };
  let timer: Timer | undefined;

  function wakeAt(time: number): void {
    if (signal.aborted) return;
    timer = clock.after(Math.max(0, time - clock.now()), () => background.spawn('image cleanup', look()));
  }

  /** Whatever comes of it, there is a next look. */
  async function look(): Promise<void> {
    let next = clock.now() + Math.min(settings.intervalMs, diskLookMs);
    try {
      const due = cleanupDue(state, await options.diskUsedPercent(), clock.now(), settings);
      state = { ...state, relieving: due.relieving };
      next = due.kind === 'wait' ? due.wakeAt : await (lock.alone(clean) ?? clock.now() + comeBackMs);
    } finally {
      wakeAt(next);
    }
  }

  /** Returns when to look again. */
  async function clean(): Promise<number> {
    const [containers, images] = await Promise.all([engine.list({}, { signal }), engine.listImages({ signal })]);
    const now = clock.now();
    const inUse = new Set(containers.map(({ imageId }) => imageId));
    remember(() => records.used([...inUse], now));
    const { isOurs, wanted } = options;
    const { relieving } = state;
    const snapshot = { images, records: records.all(), inUse, wanted: wanted(), isOurs, relieving };
    const plan = planCleanup(snapshot, now, settings);
    let removed = 0;
    for (const image of plan.remove) if (await remove(image)) removed++;
    state = { ...state, lastCycleAt: now };
    forgetAllBut(images);
    // Where nothing goes, asking at once again is no use.
    return relieving && removed === 0 ? now + diskLookMs : plan.wakeAt;
  }

  /** False when the engine would not. Rejects when it could not be asked, or did not answer in time. */
  async function remove(image: ListedImage): Promise<boolean> {
    const { id, sizeBytes } = image;
    try {
      for (const name of [...namesOf(image), id]) await engine.removeImage(name, { signal });
    } catch (error) {
      if (!(error instanceof EngineError) || couldNotAsk(error) || error.kind === 'timeout') throw error;
      logger.warn({ image: id, reason: messageOf(error) }, 'an unused image could not be removed');
      return false;
    }
    remember(() => records.forget(id));
    logger.info({ image: id, names: namesOf(image), sizeBytes, relieving: state.relieving }, 'an unused image is gone');
    return true;
  }

  /** A full disk must not keep images from being removed. */
  function remember(write: () => void): void {
    try {
      write();
    } catch (error) {
      logger.warn({ error }, 'what is remembered of images could not be saved');
    }
  }

  /** Somebody else may have removed images too. */
  function forgetAllBut(images: readonly ListedImage[]): void {
    const there = new Set(images.map(({ id }) => id));
    for (const { imageId } of records.all()) {
      if (!there.has(imageId)) remember(() => records.forget(imageId));
    }
  }

  return {
    start() {
      state = { ...state, lastCycleAt: clock.now() };
      wakeAt(clock.now() + Math.min(settings.intervalMs, diskLookMs));
    },
    async stop() {
      ending.abort(new Error('the agent stops'));
      timer?.cancel();
      await background.settled();
    },
    async relieve() {
      try {
        await lock.alone(clean);
      } catch (error) {
        logger.warn({ error }, 'no space could be made for a pull');
      }
    },
  };
}
