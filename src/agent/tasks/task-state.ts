/** A task as it is reported: one whole snapshot, in which a later one says everything an earlier one said. */
import { isEssential } from '#model/container-definition.ts';
import {
  taskHealth,
  type ContainerStatus,
  type HealthStatus,
  type NetworkBinding,
  type StopCode,
} from '#model/task.ts';
import { definitionOf, type AgentContainer, type AgentTask } from './agent-task.ts';
import type { NetworkAddress } from './container-spec.ts';
import { isInternalContainer } from './pause-container.ts';
import { foldPortRanges } from './port-range.ts';
import { clipReason } from './stop-reason.ts';

export type ReportedTaskStatus = 'PENDING' | 'RUNNING' | 'STOPPING' | 'STOPPED';

export interface ContainerSnapshot {
  name: string;
  lastStatus: ContainerStatus;
  runtimeId?: string;
  imageDigest?: string;
  exitCode?: number;
  reason?: string;
  lastOutput?: string[];
  healthStatus: HealthStatus;
  networkBindings: NetworkBinding[];
}

/** A state change less its number, which the journal gives when it saves it. */
export interface TaskSnapshot {
  taskArn: string;
  lastStatus: ReportedTaskStatus;
  healthStatus: HealthStatus;
  /** Without internal ones. */
  containers: ContainerSnapshot[];
  /** In network mode awsvpc, once it is known. */
  networkInterface?: { privateIpv4Address: string; macAddress: string };
  stopCode?: StopCode;
  stoppedReason?: string;
  pullStartedAt?: number;
  pullStoppedAt?: number;
  startedAt?: number;
  executionStoppedAt?: number;
  stoppedAt?: number;
}

/**
 * RUNNING once every container has been started, and still so when a non-essential one has ended since; STOPPING from the first cause of its
 * end until the last container has ended.
 */
export function reportedStatus(task: AgentTask): ReportedTaskStatus {
  if (task.stoppedAt !== undefined) return 'STOPPED';
  if (task.stop !== undefined) return 'STOPPING';
  const upOrOver = task.containers.every(({ phase }) => phase.name === 'RUNNING' || phase.name === 'STOPPED');
  return upOrOver ? 'RUNNING' : 'PENDING';
}

/** `waiting` (from the decision) becomes the reason of containers that are not running yet. */
export function taskSnapshot(task: AgentTask, waiting: ReadonlyMap<string, string>): TaskSnapshot {
  const { pullStartedAt, pullStoppedAt, startedAt, executionStoppedAt, stoppedAt, stop, networkInterface } = task;
  return {
    taskArn: task.assignment.taskArn,
    lastStatus: reportedStatus(task),
    healthStatus: taskHealth(
      task.containers.flatMap((container) => {
        const definition = definitionOf(task, container.name);
        if (definition === undefined || !isEssential(definition)) return [];
        return { healthStatus: healthOf(container), checked: definition.healthCheck !== undefined };
      }),
    ),
    containers: task.containers
      .filter(({ name }) => !isInternalContainer(name))
      .map((container) => containerSnapshot(task, container, waiting.get(container.name))),
    ...(networkInterface === undefined ? {} : { networkInterface: interfaceSnapshot(networkInterface) }),
    ...(stop === undefined ? {} : { stopCode: stop.stopCode, stoppedReason: clipReason(stop.reason) }),
    ...(pullStartedAt === undefined ? {} : { pullStartedAt }),
    ...(pullStoppedAt === undefined ? {} : { pullStoppedAt }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(executionStoppedAt === undefined ? {} : { executionStoppedAt }),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
  };
}

function interfaceSnapshot({ ipv4Address, macAddress }: NetworkAddress): NonNullable<TaskSnapshot['networkInterface']> {
  return { privateIpv4Address: ipv4Address, macAddress };
}

function containerSnapshot(task: AgentTask, container: AgentContainer, waiting: string | undefined): ContainerSnapshot {
  const { phase } = container;
  const shared = {
    name: container.name,
    healthStatus: healthOf(container),
    ...(container.imageDigest === undefined ? {} : { imageDigest: container.imageDigest }),
  };
  switch (phase.name) {
    case 'NONE':
    case 'PULLED':
    case 'CREATED':
      return {
        ...shared,
        lastStatus: 'PENDING',
        networkBindings: [],
        ...(phase.name === 'CREATED' ? { runtimeId: phase.engineId } : {}),
        ...(waiting === undefined ? {} : { reason: clipReason(waiting) }),
      };
    case 'RUNNING':
      return {
        ...shared,
        lastStatus: 'RUNNING',
        runtimeId: phase.engineId,
        networkBindings: bindingsOf(task, container.name, phase.networkBindings),
      };
    case 'STOPPED':
      return {
        ...shared,
        lastStatus: 'STOPPED',
        networkBindings: bindingsOf(task, container.name, phase.networkBindings),
        ...(phase.engineId === undefined ? {} : { runtimeId: phase.engineId }),
        ...(phase.exitCode === undefined ? {} : { exitCode: phase.exitCode }),
        ...(phase.reason === undefined ? {} : { reason: phase.reason }),
        ...(phase.lastOutput === undefined ? {} : { lastOutput: [...phase.lastOutput] }),
      };
  }
}

/** In host mode the engine knows of no bindings; as in ECS, the announced ports are told. */
function bindingsOf(task: AgentTask, name: string, seen: readonly NetworkBinding[]): NetworkBinding[] {
  if (task.definition.networkMode !== 'host') return foldPortRanges(definitionOf(task, name), seen);
  return (definitionOf(task, name)?.portMappings ?? []).flatMap(({ containerPort, protocol = 'tcp' }) =>
    containerPort === undefined ? [] : { bindIP: '0.0.0.0', containerPort, hostPort: containerPort, protocol },
  );
}

function healthOf({ phase }: AgentContainer): HealthStatus {
  return phase.name === 'RUNNING' || phase.name === 'STOPPED' ? phase.health : 'UNKNOWN';
}
