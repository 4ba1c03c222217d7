/**
 * A container as the task metadata endpoint shows it (ecs-agent's ContainerResponse, versions 2 to 4). What the task's record holds is always
 * there; what only the engine knows is there when the engine was heard. Absent values are left out of the JSON. Pure.
 */
import { toIsoTime } from '#lib/iso-time.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { NetworkBinding } from '#model/task.ts';
import { definitionOf, isStopping, type AgentContainer, type AgentTask } from '../tasks/agent-task.ts';
import type { ContainerObservation, NetworkAddress } from '../tasks/container-spec.ts';
import { isInternalContainer } from '../tasks/pause-container.ts';
import { taskSnapshot } from '../tasks/task-state.ts';

export type MetadataVersion = 'v2' | 'v3' | 'v4';

export interface ContainerView {
  task: AgentTask;
  container: AgentContainer;
  /** What the engine says about it. */
  observation: ContainerObservation | undefined;
  /** Its own, or those of the container whose network it shares. */
  addresses: readonly NetworkAddress[];
}

/** Status names are ecs-agent's own, finer than those of the API. */
export function containerMetadata(view: ContainerView, version: MetadataVersion): Record<string, unknown> {
  const { task, container, observation } = view;
  const { phase } = container;
  const definition = definitionOf(task, container.name);
  const override = task.assignment.overrides.containerOverrides?.find(({ name }) => name === container.name);
  const snapshot = taskSnapshot(task, new Map()).containers.find(({ name }) => name === container.name);
  const ports = portsOf(snapshot?.networkBindings ?? []);
  const volumes = volumesOf(observation);
  return {
    DockerId: engineIdOf(container) ?? '',
    Name: container.name,
    DockerName: container.engineName,
    Image: definition?.image,
    ImageID: observation?.imageId ?? '',
    Ports: ports.length === 0 ? undefined : ports,
    Labels: observation?.labels,
    DesiredStatus: isStopping(task) ? 'STOPPED' : runningStatus(container),
    KnownStatus: phase.name === 'RUNNING' ? runningStatus(container) : phase.name,
    ExitCode: phase.name === 'STOPPED' ? phase.exitCode : undefined,
    Limits: {
      CPU: override?.cpu ?? definition?.cpu ?? 0,
      Memory:
        override?.memory ?? definition?.memory ?? override?.memoryReservation ?? definition?.memoryReservation ?? 0,
    },
    CreatedAt: time(observation?.createdAt),
    StartedAt: time(phase.name === 'RUNNING' || phase.name === 'STOPPED' ? phase.startedAt : undefined),
    FinishedAt: time(phase.name === 'STOPPED' ? phase.stoppedAt : undefined),
    Type: isInternalContainer(container.name) ? 'CNI_PAUSE' : 'NORMAL',
    Networks: networksOf(view, version),
    Health: definition?.healthCheck === undefined ? undefined : healthOf(view),
    Volumes: volumes.length === 0 ? undefined : volumes,
    ...(version === 'v4' ? newInVersion4(view, definition) : {}),
  };
}

function newInVersion4({ container }: ContainerView, definition: ContainerDefinition | undefined) {
  const { logConfiguration, restartPolicy } = definition ?? {};
  return {
    LogDriver: logConfiguration?.logDriver,
    LogOptions: logConfiguration?.options,
    ContainerARN: container.containerArn,
    RestartCount: restartPolicy?.enabled === true ? container.restarts.count : undefined,
  };
}

/** The container's id on the engine, once it has one. */
export function engineIdOf({ phase }: AgentContainer): string | undefined {
  return phase.name === 'CREATED' || phase.name === 'RUNNING' || phase.name === 'STOPPED' ? phase.engineId : undefined;
}

/** For a pause container the last step is not to run but to have made the network. */
function runningStatus({ name }: AgentContainer): string {
  return isInternalContainer(name) ? 'RESOURCES_PROVISIONED' : 'RUNNING';
}

export function portsOf(bindings: readonly NetworkBinding[]): Record<string, unknown>[] {
  return bindings.map(({ containerPort, protocol, hostPort, bindIP }) => ({
    ContainerPort: containerPort,
    Protocol: protocol ?? 'tcp',
    HostPort: hostPort,
    HostIp: bindIP,
  }));
}

export function networksOf({ task, addresses }: ContainerView, version: MetadataVersion): Record<string, unknown>[] {
  const NetworkMode = task.definition.networkMode ?? 'bridge';
  if (addresses.length === 0) return [{ NetworkMode, IPv4Addresses: [] }];
  return addresses.map(({ ipv4Address, prefixLength, gateway, macAddress }) => ({
    NetworkMode,
    IPv4Addresses: [ipv4Address],
    ...(version === 'v4' && {
      AttachmentIndex: NetworkMode === 'awsvpc' ? 0 : undefined,
      MACAddress: macAddress,
      IPv4SubnetCIDRBlock: subnetOf(ipv4Address, prefixLength),
      SubnetGatewayIpv4Address: gateway === undefined ? undefined : `${gateway}/${prefixLength}`,
    }),
  }));
}

/** `172.17.0.5`, 16 -> `172.17.0.0/16` */
function subnetOf(address: string, prefixLength: number): string {
  const bits = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - prefixLength);
  const network = bits - (bits % size);
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256);
  return `${octets.join('.')}/${prefixLength}`;
}

function healthOf({ container, observation }: ContainerView): Record<string, unknown> {
  const { phase } = container;
  const last = observation?.lastHealthCheck;
  return {
    status: phase.name === 'RUNNING' || phase.name === 'STOPPED' ? phase.health : 'UNKNOWN',
    exitCode: last?.exitCode,
    output: last?.output,
  };
}

export function volumesOf(observation: ContainerObservation | undefined): Record<string, unknown>[] {
  return (observation?.mountedAt ?? []).map(({ volume, source, target }) => ({
    DockerName: volume,
    Source: source,
    Destination: target,
  }));
}

export function time(at: number | undefined): string | undefined {
  return at === undefined ? undefined : toIsoTime(at);
}
