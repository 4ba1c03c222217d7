/** The engine's images as one agent keeps them: pulls by its settings, and the cleaning that makes room, on one lock. */
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { createSharedLock } from '#lib/shared-lock.ts';
import type { AgentConfig } from '../config.ts';
import type { Journal } from '../state/journal.ts';
import { pauseImage } from '../tasks/pause-container.ts';
import type { ContainerEngine } from './container-engine.ts';
import { createImageCleanup, type ImageCleanup } from './image-cleanup.ts';
import { diskUsedPercent } from './image-disk.ts';
import { canonicalReference } from '#model/image-reference.ts';
import { createImages, type Images } from './images.ts';
import { parseRegistryAuth } from './registry-auth.ts';
import type { RegistrySecrets } from './registry-secrets.ts';

export interface ImageStoreOptions {
  config: Pick<AgentConfig, 'imageCleanup' | 'pullBehaviour' | 'pullTimeoutMs' | 'registryAuth'>;
  engine: ContainerEngine;
  journal: Pick<Journal, 'pulledImages' | 'images'>;
  /** Absent where the operator has named none. */
  secrets: RegistrySecrets | undefined;
  /** References of all tasks that have not ended. */
  wanted(): readonly string[];
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface ImageStore {
  images: Images;
  /** Absent when it is switched off. */
  cleanup?: ImageCleanup;
}

export function createImageStore({
  config,
  engine,
  journal,
  secrets,
  wanted,
  ...tools
}: ImageStoreOptions): ImageStore {
  const { imageCleanup, registryAuth } = config;
  const { clock, random } = tools;
  const { pulledImages, images: records } = journal;
  const logger = tools.logger.child({ part: 'images' });
  const lock = createSharedLock();
  const isOurs = (reference: string): boolean => pulledImages.has(canonicalReference(reference));
  const cleanup =
    imageCleanup &&
    createImageCleanup({
      engine,
      lock,
      records,
      isOurs,
      wanted,
      diskUsedPercent: async () => diskUsedPercent((await engine.describe()).rootDirectory),
      settings: { ...imageCleanup, excluded: [...imageCleanup.excluded, pauseImage] },
      clock,
      logger,
    });
  const images = createImages({
    engine,
    clock,
    random,
    behaviour: config.pullBehaviour,
    pullTimeoutMs: config.pullTimeoutMs,
    pulledBefore: pulledImages,
    records,
    lock,
    logger,
    ...(secrets === undefined ? {} : { secrets }),
    ...(cleanup === undefined ? {} : { makeRoom: cleanup.relieve }),
    ...(registryAuth === undefined ? {} : { findCredentials: parseRegistryAuth(registryAuth.type, registryAuth.data) }),
  });
  return { images, ...(cleanup === undefined ? {} : { cleanup }) };
}
