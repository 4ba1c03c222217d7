/**
 * Takes everything of this agent off its engine while the agent itself does not run: containers in order of their stop timeouts, then the volumes of
 * their tasks. The journal stays as it is: when the agent starts again it finds its containers gone and reports so. Shared volumes outlive it.
 */
import { createSemaphore } from '#lib/semaphore.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import { definitionOf, type AgentTask } from '../tasks/agent-task.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '../tasks/container-config.ts';

export interface PurgeOptions {
  engine: ContainerEngine;
  machineId: string;
  /** What the journal knows; containers that it does not know are removed all the same. */
  tasks: readonly AgentTask[];
  /** Seconds, for containers whose definition says nothing. */
  defaultStopTimeout: number;
  logger: Logger;
}

export interface Purged {
  containers: number;
  volumes: number;
}

const atOnce = 8;

/** Rejects with the first EngineError when something could not be removed, after having tried everything. */
export async function purge(options: PurgeOptions): Promise<Purged> {
  const { engine, machineId, tasks } = options;
  const containers = await engine.list({ [machineLabel]: machineId });
  const semaphore = createSemaphore(atOnce);
  await allSettled(
    containers.map(({ id, labels }) =>
      semaphore.run(async () => {
        await engine.stop(id, { timeoutSeconds: stopTimeoutOf(options, labels) });
        await engine.remove(id);
      }),
    ),
  );
  const volumes = tasks.flatMap((task) =>
    task.volumes.filter(({ scope, status }) => scope === 'task' && status === 'CREATED'),
  );
  await allSettled(volumes.map(({ engineName }) => engine.removeVolume(engineName)));
  options.logger.info(
    { containers: containers.length, volumes: volumes.length },
    'everything of this agent is off the engine',
  );
  return { containers: containers.length, volumes: volumes.length };
}

function stopTimeoutOf({ tasks, defaultStopTimeout }: PurgeOptions, labels: Readonly<Record<string, string>>): number {
  const task = tasks.find(({ assignment }) => assignment.taskArn === labels[taskArnLabel]);
  const definition = task === undefined ? undefined : definitionOf(task, labels[containerNameLabel] ?? '');
  return definition?.stopTimeout ?? defaultStopTimeout;
}

async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
