/** Why things ended, in ECS's own words: the names of container failures, the task's stop code and reason. */
import { isEssential } from '#model/container-definition.ts';
import { pullFailures } from '#model/pull-failure.ts';
import { definitionOf, type AgentTask, type StopCause, type StoppedPhase } from './agent-task.ts';
import { isInternalContainer } from './pause-container.ts';

/** What the agent was doing when it failed. */
export type FailedStep = 'pull' | 'network' | 'cgroup' | 'create' | 'start' | 'stop' | 'volume';

/** An engine's error, as far as a reason needs it. */
export interface StepError {
  kind: string;
  message: string;
}

/** Longest reason ECS keeps. */
export const maximumReasonLength = 1024;

export const vanishedReason = 'ContainerVanishedError: the container was removed from outside';
/** A pause container whose process is not the one that the others joined. */
export const pauseStartedAgainReason = 'ContainerNetworkingError: the pause container was started again from outside';
export const outOfMemoryReason = 'OutOfMemoryError: Container killed due to memory usage';
/** What ECS reports for a container that ended before it was started because its dependency failed. */
export const dependencyFailureExitCode = 143;

const stepErrorNames: Readonly<Record<FailedStep, string>> = {
  pull: 'CannotPullContainerError',
  network: 'ContainerNetworkingError',
  cgroup: 'ResourceInitializationError',
  create: 'CannotCreateContainerError',
  start: 'CannotStartContainerError',
  stop: 'CannotStopContainerError',
  volume: 'CannotCreateVolumeError',
};

/** The registry's or engine's own words follow what the class means. */
const pullReasons: Readonly<Partial<Record<string, { name: string; means: string }>>> = pullFailures;

/** The reason a user reads, e.g. `CannotStartContainerError: port is already allocated`. */
export function failureReason(step: FailedStep, error: StepError): string {
  const pull = step === 'pull' ? pullReasons[error.kind] : undefined;
  if (pull !== undefined) return clipReason(`${pull.name}: ${pull.means}: ${error.message}`);
  return clipReason(`${failureName(step, error.kind)}: ${error.message}`);
}

function failureName(step: FailedStep, kind: string): string {
  if (kind === 'timeout') return 'DockerTimeoutError';
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
      if (isInternalContainer(container.name)) return pauseEndCause(container.phase);
      return { stopCode: 'EssentialContainerExited', reason: 'Essential container in task exited' };
    }
    return { stopCode: 'TaskFailedToStart', reason: container.phase.reason ?? 'Task failed to start' };
  }
  const others = task.containers.filter((container) => !isInternalContainer(container.name));
  const nothingLeft = others.every((container) => container.phase.name === 'STOPPED');
  return nothingLeft ? { stopCode: 'EssentialContainerExited', reason: 'All containers in task exited' } : undefined;
}

/** The others run on, in namespaces that nobody holds: what is listening there may no longer be reached. */
function pauseEndCause({ exitCode, reason }: StoppedPhase): StopCause {
  const how = reason ?? (exitCode === undefined ? 'it vanished' : `it exited with ${exitCode}`);
  const words = `ContainerNetworkingError: the pause container, which holds the task's network and namespaces, ended: ${how}`;
  return { stopCode: 'EssentialContainerExited', reason: clipReason(words) };
}
