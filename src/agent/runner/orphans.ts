/**
 * Containers that carry this machine's label but belong to no task in the journal: left over when a journal was lost. They are ended only when control
 * has said what belongs here and some time has passed for its assignments to arrive, and are then removed with a line in the log. "Nobody
 * knows them" is never concluded from silence.
 */
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerEngine, ListedContainer } from '../engine/container-engine.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '../tasks/container-config.ts';
import { isInternalContainer } from '../tasks/pause-container.ts';

export interface OrphanSweepOptions {
  engine: Pick<ContainerEngine, 'list' | 'stop' | 'remove'>;
  machineId: string;
  stopTimeoutSeconds: number;
  /** Asked again right before each removal. */
  isKnown(taskArn: string): boolean;
  logger: Logger;
  signal: AbortSignal;
}

/** Rejects when the engine could not be asked; a container that cannot be removed is logged. Resolves to how many are left. */
export async function removeOrphans(options: OrphanSweepOptions): Promise<number> {
  const { engine, machineId, stopTimeoutSeconds, isKnown, logger, signal } = options;
  const containers = await engine.list({ [machineLabel]: machineId }, { signal });
  let left = 0;
  // Others may be in the namespaces of a pause container: they end first.
  for (const { id, name, labels } of containers.toSorted((a, b) => Number(isInternal(a)) - Number(isInternal(b)))) {
    const taskArn = labels[taskArnLabel];
    if (taskArn === undefined || isKnown(taskArn)) continue;
    logger.warn(
      { container: name, taskArn },
      'a container of this agent belongs to no task that it or control knows; it is removed',
    );
    try {
      await engine.stop(id, { timeoutSeconds: stopTimeoutSeconds, signal });
      await engine.remove(id, { signal });
    } catch (error) {
      left += 1;
      logger.warn({ container: name, reason: messageOf(error) }, 'an unknown container could not be removed');
    }
  }
  return left;
}

function isInternal({ labels }: ListedContainer): boolean {
  return isInternalContainer(labels[containerNameLabel] ?? '');
}
