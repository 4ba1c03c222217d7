/** What the engine is asked to create as a task's pause container: nothing but namespaces, with as few rights as a process can have. */
import { containerNamed, type AgentTask } from './agent-task.ts';
import { labelsOf } from './container-config.ts';
import type { ContainerSpec } from './container-spec.ts';
import { pauseNamespaces } from './namespaces.ts';
import { pauseContainerName, pauseImage } from './pause-container.ts';

export interface PauseSpecOptions {
  machineId: string;
  /** The engine's network that the task joins; needed in network mode awsvpc only. */
  taskNetwork?: string | undefined;
}

/** Throws when the task has no pause container. */
export function pauseSpec(task: AgentTask, { machineId, taskNetwork }: PauseSpecOptions): ContainerSpec {
  const container = containerNamed(task, pauseContainerName);
  if (container === undefined) throw new Error('the task has no pause container');
  return {
    name: container.engineName,
    image: pauseImage,
    environment: [],
    labels: labelsOf(task, pauseContainerName, machineId),
    ...pauseNamespaces(task, taskNetwork),
    ports: [],
    mounts: [],
    volumesFrom: [],
    links: [],
    cpuShares: 2,
    privileged: false,
    readonlyRootFilesystem: true,
    tty: false,
    openStdin: false,
    init: false,
    capAdd: [],
    capDrop: ['ALL'],
    securityOptions: ['no-new-privileges'],
    ulimits: [],
    logDriver: 'none',
    logOptions: {},
    healthCheck: 'none',
  };
}
