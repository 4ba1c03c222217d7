/**
 * Takes everything of this agent off its engine while the agent itself does not run: containers in order of their stop timeouts, then the volumes of
 * their tasks, then its network. The journal stays as it is: when the agent starts again it finds its containers gone and reports so. Shared volumes outlive it.
 */
import { createSemaphore } from '#lib/semaphore.ts';
import type { Logger } from '#lib/logger.ts';
import { arnId } from '#model/arn.ts';
import type { ContainerEngine, ListedContainer } from '../engine/container-engine.ts';
import type { EngineNetworks } from '../engine/engine-networks.ts';
import type { TaskCgroups } from '../host/task-cgroups.ts';
import { definitionOf, type AgentTask } from '../tasks/agent-task.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '../tasks/container-config.ts';
import { isInternalContainer } from '../tasks/pause-container.ts';
import { taskLimits } from '../tasks/task-limits.ts';

export interface PurgeOptions {
  engine: ContainerEngine;
  networks?: Pick<EngineNetworks, 'listNetworks' | 'removeNetwork'>;
  cgroups?: Pick<TaskCgroups, 'remove'>;
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
  networks: number;
}

const atOnce = 8;

/** Rejects with the first EngineError when something could not be removed, after having tried everything. */
export async function purge(options: PurgeOptions): Promise<Purged> {
  const { engine, machineId, tasks } = options;
  const containers = await engine.list({ [machineLabel]: machineId });
  const semaphore = createSemaphore(atOnce);
  // What ends uses its network to the last.
  for (const group of [containers.filter((one) => !isInternal(one)), containers.filter(isInternal)]) {
    await allSettled(
      group.map(({ id, labels }) =>
        semaphore.run(async () => {
          await engine.stop(id, { timeoutSeconds: stopTimeoutOf(options, labels) });
          await engine.remove(id);
        }),
      ),
    );
  }
  const volumes = tasks.flatMap((task) =>
    task.volumes.filter(({ scope, status }) => scope === 'task' && status === 'CREATED'),
  );
  await allSettled(volumes.map(({ engineName }) => engine.removeVolume(engineName)));
  const limited = tasks.filter((task) => taskLimits(task) !== undefined);
  await allSettled(
    limited.map(({ assignment }) => options.cgroups?.remove(arnId(assignment.taskArn)) ?? Promise.resolve()),
  );
  const networks = await ownNetworks(options);
  await allSettled(networks.map((name) => options.networks?.removeNetwork(name) ?? Promise.resolve()));
  const purged = { containers: containers.length, volumes: volumes.length, networks: networks.length };
  options.logger.info(purged, 'everything of this agent is off the engine');
  return purged;
}

function isInternal({ labels }: ListedContainer): boolean {
  return isInternalContainer(labels[containerNameLabel] ?? '');
}

async function ownNetworks({ networks, machineId }: PurgeOptions): Promise<string[]> {
  const all = (await networks?.listNetworks()) ?? [];
  return all.filter(({ labels }) => labels[machineLabel] === machineId).map(({ name }) => name);
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
