/** Cuts a state change to the limits of the protocol, so that no text an engine came up with can make a whole batch invalid. Pure. */
import type { ContainerState, TaskState } from '#protocol/session/messages.ts';

const maximumReason = 1024;
const maximumRuntimeId = 255;
const maximumDigest = 255;
const maximumBindings = 1000;
const maximumContainers = 100;

export function withinLimits(change: TaskState): TaskState {
  return {
    ...change,
    ...(change.stoppedReason === undefined ? {} : { stoppedReason: change.stoppedReason.slice(0, maximumReason) }),
    containers: change.containers.slice(0, maximumContainers).map(containerWithinLimits),
  };
}

function containerWithinLimits(container: ContainerState): ContainerState {
  const { reason, runtimeId, imageDigest, networkBindings } = container;
  return {
    ...container,
    ...(reason === undefined ? {} : { reason: reason.slice(0, maximumReason) }),
    ...(runtimeId === undefined ? {} : { runtimeId: runtimeId.slice(0, maximumRuntimeId) }),
    ...(imageDigest === undefined ? {} : { imageDigest: imageDigest.slice(0, maximumDigest) }),
    networkBindings: networkBindings.slice(0, maximumBindings),
  };
}
