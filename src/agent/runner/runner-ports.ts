/** What a task runner works with, besides the engine's own port. */
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import type { Semaphore } from '#lib/semaphore.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import type { PortRanges } from '../host/port-ranges.ts';
import type { TaskCgroups } from '../host/task-cgroups.ts';
import type { TaskNetworkDriver } from '../network/network-driver.ts';
import type { Journal } from '../state/journal.ts';
import type { ContainerEndpoint } from '../tasks/endpoint-variables.ts';
import type { HostResources } from './host-resources.ts';

/** Makes an image available on the engine, by the agent's pull behaviour. */
export interface Images {
  /**
   * Rejects with an EngineError; `digest` is that of the manifest, where a registry named one. `secret` stands for the credentials
   * to pull with. `tell` is called every few seconds at most, with how the pull is getting on.
   */
  obtain(
    reference: string,
    options: { signal: AbortSignal; secret?: string | undefined; tell?: (news: string) => void },
  ): Promise<{ digest?: string }>;
}

export interface RunnerSettings {
  /** Seconds a container gets between the stop signal and SIGKILL unless its definition says. */
  defaultStopTimeout: number;
  /** How long what is left of an ended task is kept, from its end. */
  cleanupWaitMs: number;
}

export interface RunnerDependencies {
  engine: ContainerEngine;
  images: Images;
  /** Absent where no task gets a network of its own. */
  taskNetwork?: Pick<TaskNetworkDriver, 'join'>;
  /** `host:/path` of the NFS server for each file system of EFS that this machine has. */
  fileSystems?: ReadonlyMap<string, string>;
  /** Absent where tasks are not limited as a whole. */
  taskCgroups?: Pick<TaskCgroups, 'prepare' | 'remove' | 'memoryKills'>;
  journal: Pick<Journal, 'saveTask' | 'lastSnapshot' | 'isAcknowledged' | 'forgetTask'>;
  resources: HostResources;
  portRanges: PortRanges;
  /** Creating and starting happens within these: an engine gets slower, not faster, when many are asked for at once. */
  slots: Semaphore;
  /** Looks that nobody waits for happen within these, so that a start with many tasks does not flood the engine. */
  lookSlots: Semaphore;
  clock: Clock;
  random: Random;
  logger: Logger;
  machineId: string;
  /** What a container is told of the agent's local endpoints; absent, or answers undefined, when there are none. */
  endpointOf?(taskArn: string, container: string): ContainerEndpoint | undefined;
  settings: RunnerSettings;
}
