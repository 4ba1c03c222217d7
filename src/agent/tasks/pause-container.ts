/**
 * The pause container: an internal container of a task that holds namespaces for the others, so that they share a network and an address
 * (network mode awsvpc), a process table (pidMode task) or System V memory (ipcMode task). It does nothing itself. It is an
 * essential container on which all others depend: so it starts first, ends last, and its end is the task's.
 */
import type { TaskDefinitionBody } from '#model/task-definition.ts';

/** ECS's; no container of a task definition can have this name. */
export const pauseContainerName = '~internal~ecs~pause';

/** The number changes with the program in it. */
export const pauseImage = 'berth/pause:1';

/** Whether a container is the agent's own, which only the task metadata endpoint shows. */
export function isInternalContainer(name: string): boolean {
  return name === pauseContainerName;
}

export function needsPauseContainer({ networkMode, pidMode, ipcMode }: TaskDefinitionBody): boolean {
  return networkMode === 'awsvpc' || pidMode === 'task' || ipcMode === 'task';
}

/** The definition with its pause container, at the end so that the others keep their places; the same one when it needs none. */
export function withPauseContainer(definition: TaskDefinitionBody): TaskDefinitionBody {
  if (!needsPauseContainer(definition) || definition.containerDefinitions.length === 0) return definition;
  const first = { containerName: pauseContainerName, condition: 'START' as const };
  return {
    ...definition,
    containerDefinitions: [
      ...definition.containerDefinitions.map((container) => ({
        ...container,
        dependsOn: [first, ...(container.dependsOn ?? [])],
      })),
      { name: pauseContainerName, image: pauseImage, essential: true },
    ],
  };
}
