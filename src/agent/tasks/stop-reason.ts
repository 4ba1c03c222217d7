/** Why things ended, in ECS's own words: the names of container failures, the task's stop code and reason. */
import { isEssential } from '#model/container-definition.ts';
import { definitionOf, type AgentTask, type StopCause } from './agent-task.ts';

/** What the agent was doing when it failed. */
export type FailedStep = 'pull' | 'create' | 'start' | 'stop' | 'volume';

/** An engine's error, as far as a reason needs it. */
export interface StepError {
  kind: string;
  message: string;
}

/** Longest reason ECS keeps. */
export const maximumReasonLength = 1024;

export const vanishedReason = 'ContainerVanishedError: the container was removed from outside';
export const outOfMemoryReason = 'OutOfMemoryError: Container killed due to memory usage';
/** What ECS reports for a container that ended before it was started because its dependency failed. */
export const dependencyFailureExitCode = 143;

const stepErrorNames: Readonly<Record<FailedStep, string>> = {
  pull: 'CannotPullContainerError',
  create: 'CannotCreateContainerError',
  start: 'CannotStartContainerError',
  stop: 'CannotStopContainerError',
  volume: 'CannotCreateVolumeError',
};

/** The reason a user reads, e.g. `CannotStartContainerError: port is already allocated`. */
export function failureReason(step: FailedStep, error: StepError): string {
  return clipReason(`${failureName(step, error.kind)}: ${error.message}`);
}

function failureName(step: FailedStep, kind: string): string {
  if (kind === 'timeout') return 'DockerTimeoutError';
  if (step === 'pull' && kind === 'unauthorized') return 'CannotPullContainerAuthError';
  return stepErrorNames[step];
}

export function dependencyReason(why: string): string {
  return clipReason(`TaskDependencyError: ${why}`);
}

export function clipReason(reason: string): string {
  return reason.length <= maximumReasonLength ? reason : `${reason.slice(0, maximumReasonLength - 1)}…`;
}

/** Why the task has to end by itself: an essential container has ended, or there is no other left. Undefined while it may go on. */
export function ownStopCause(task: AgentTask): StopCause | undefined {
  for (const container of task.containers) {
    const definition = definitionOf(task, container.name);
    if (definition === undefined || !isEssential(definition) || container.phase.name !== 'STOPPED') continue;
    if (container.phase.startedAt !== undefined) {
      return { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited' };
    }
    return { stopCode: 'TaskFailedToStart', reason: container.phase.reason ?? 'Task failed to start' };
  }
  const nothingLeft = task.containers.every((container) => container.phase.name === 'STOPPED');
  return nothingLeft ? { stopCode: 'EssentialContainerExited', reason: 'All containers in task exited' } : undefined;
}
