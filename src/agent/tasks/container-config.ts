/**
 * Renders one container of a task into what the engine is asked to create. Everything ECS fills in or forces is here: injected environment,
 * labels, floors and defaults. Outside the pure world nothing about a container definition is interpreted again.
 */
import { parseArn } from '#model/arn.ts';
import type { ContainerDefinition, HealthCheck, LogConfiguration } from '#model/container-definition.ts';
import { parseTaskMemory } from '#model/task-definition.ts';
import type { ContainerOverride } from '#model/task.ts';
import { containerNamed, definitionOf, imageReference, type AgentTask } from './agent-task.ts';
import type { ContainerSpec, DeviceMapping, HealthCheckSpec, Mount, PortBinding } from './container-spec.ts';
import { linkedContainer } from './dependencies.ts';
import { gpuIdsOf } from './gpus.ts';
import { portRangesOf } from './port-range.ts';
import { namespacesOf } from './namespaces.ts';
import { hostPathOf } from './volumes.ts';

/** The label by which an agent tells its own containers from those of another agent on the same engine. */
export const machineLabel = 'berth.machine-id';
export const taskArnLabel = 'com.amazonaws.ecs.task-arn';
export const containerNameLabel = 'com.amazonaws.ecs.container-name';

const mebibyte = 1024 * 1024;
/** Shares the kernel takes; ECS clamps to them, and gives 2 to a container that asks for nothing. */
const cpuShares = { least: 2, most: 262_144 };
/** No engine since 20.10 accepts less. */
const leastMemoryBytes = 6 * mebibyte;
/** ECS's defaults, in seconds. */
const healthCheckDefaults = { interval: 30, timeout: 5, retries: 3, startPeriod: 0 };
const defaultMaxBufferSize = '10m';

/** The first host port chosen for each port range of a container, by its key. */
export type ChosenPortRanges = ReadonlyMap<string, number>;

/** Throws when the task has no such container, or a port range for which no host ports were chosen. */
export function containerSpec(
  task: AgentTask,
  name: string,
  machineId: string,
  portRanges: ChosenPortRanges = new Map(),
): ContainerSpec {
  const definition = definitionOf(task, name);
  const container = containerNamed(task, name);
  if (definition === undefined || container === undefined) throw new Error(`the task has no container ${name}`);
  const override = task.assignment.overrides.containerOverrides?.find((candidate) => candidate.name === name);
  const namespaces = namespacesOf(task, definition);
  const { network } = namespaces;
  const linux = definition.linuxParameters;
  const gpuIds = gpuIdsOf(task, name);
  const command = override?.command ?? definition.command;
  return {
    name: container.engineName,
    image: imageReference(task, definition),
    ...(definition.entryPoint === undefined ? {} : { entryPoint: definition.entryPoint }),
    ...(command === undefined ? {} : { command }),
    environment: environmentOf(task, definition, override),
    labels: labelsOf(task, name, machineId),
    ...(definition.workingDirectory === undefined ? {} : { workingDirectory: definition.workingDirectory }),
    ...(definition.user === undefined ? {} : { user: definition.user }),
    ...namespaces,
    ports: network === 'bridge' ? portsOf(definition, portRanges) : [],
    mounts: mountsOf(task, definition),
    volumesFrom: volumesFromOf(task, definition),
    links: network === 'bridge' ? linksOf(task, definition) : [],
    cpuShares: Math.min(cpuShares.most, Math.max(cpuShares.least, override?.cpu ?? definition.cpu ?? 0)),
    ...memoryOf(task, definition, override),
    privileged: definition.privileged ?? false,
    readonlyRootFilesystem: definition.readonlyRootFilesystem ?? false,
    tty: definition.pseudoTerminal ?? false,
    openStdin: definition.interactive ?? false,
    init: linux?.initProcessEnabled ?? false,
    capAdd: linux?.capabilities?.add ?? [],
    capDrop: linux?.capabilities?.drop ?? [],
    ...(linux?.devices === undefined ? {} : { devices: devicesOf(linux.devices) }),
    ...(gpuIds.length === 0 ? {} : { gpuIds }),
    securityOptions: definition.dockerSecurityOptions ?? [],
    ulimits: (definition.ulimits ?? []).map((limit) => ({
      name: limit.name,
      soft: limit.softLimit,
      hard: limit.hardLimit,
    })),
    ...logOf(definition.logConfiguration),
    healthCheck: definition.healthCheck === undefined ? 'none' : healthCheckOf(definition.healthCheck),
  };
}

/** The definition's variables, replaced by the override's of the same name, then what ECS injects unless it is set already. */
function environmentOf(
  task: AgentTask,
  definition: ContainerDefinition,
  override: ContainerOverride | undefined,
): string[] {
  const variables = new Map<string, string>();
  for (const { name, value } of definition.environment ?? []) variables.set(name, value ?? '');
  for (const { name, value } of override?.environment ?? []) {
    if (name !== undefined) variables.set(name, value ?? '');
  }
  const region = parseArn(task.assignment.taskArn)?.region ?? '';
  const environmentName = task.assignment.launchType === 'FARGATE' ? 'AWS_ECS_FARGATE' : 'AWS_ECS_EC2';
  const injected = { AWS_EXECUTION_ENV: environmentName, AWS_REGION: region, AWS_DEFAULT_REGION: region };
  for (const [name, value] of Object.entries(injected)) {
    if (value !== '' && !variables.has(name)) variables.set(name, value);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** What tells an agent's container from others, under the definition's own labels. */
export function labelsOf(task: AgentTask, name: string, machineId: string): Record<string, string> {
  const { taskArn, family, revision, clusterName } = task.assignment;
  return {
    ...definitionOf(task, name)?.dockerLabels,
    [taskArnLabel]: taskArn,
    [containerNameLabel]: name,
    'com.amazonaws.ecs.task-definition-family': family,
    'com.amazonaws.ecs.task-definition-version': String(revision),
    'com.amazonaws.ecs.cluster': clusterName,
    [machineLabel]: machineId,
  };
}

function portsOf(definition: ContainerDefinition, portRanges: ChosenPortRanges): PortBinding[] {
  const single = (definition.portMappings ?? []).flatMap(({ containerPort, hostPort, protocol }) =>
    containerPort === undefined ? [] : { containerPort, hostPort: hostPort ?? 0, protocol: protocol ?? 'tcp' },
  );
  const ranged = portRangesOf(definition).flatMap((range) => {
    const firstHostPort = portRanges.get(range.key);
    if (firstHostPort === undefined) throw new Error(`no host ports were chosen for ${range.key}`);
    return Array.from({ length: range.length }, (_, index) => ({
      containerPort: range.first + index,
      hostPort: firstHostPort + index,
      protocol: range.protocol,
    }));
  });
  return [...single, ...ranged];
}

function mountsOf(task: AgentTask, definition: ContainerDefinition): Mount[] {
  const hostPaths = new Map((task.definition.volumes ?? []).map((volume) => [volume.name, hostPathOf(volume)]));
  const engineNames = new Map(task.volumes.map((volume) => [volume.name, volume.engineName]));
  const mounts = (definition.mountPoints ?? []).flatMap(({ sourceVolume = '', containerPath, readOnly }): Mount[] => {
    if (containerPath === undefined) return [];
    const at = { target: containerPath, readOnly: readOnly ?? false };
    const hostPath = hostPaths.get(sourceVolume);
    if (hostPath !== undefined) return [{ kind: 'bind', source: hostPath, ...at }];
    const source = engineNames.get(sourceVolume);
    return [{ kind: 'volume', ...(source === undefined ? {} : { source }), ...at }];
  });
  const tmpfs = (definition.linuxParameters?.tmpfs ?? []).map(({ containerPath, size, mountOptions }): Mount => ({
    kind: 'tmpfs',
    target: containerPath,
    readOnly: mountOptions?.includes('ro') ?? false,
    tmpfsSizeBytes: size * mebibyte,
    ...(mountOptions === undefined ? {} : { tmpfsOptions: mountOptions }),
  }));
  return [...mounts, ...tmpfs];
}

function volumesFromOf(task: AgentTask, definition: ContainerDefinition): string[] {
  return (definition.volumesFrom ?? []).flatMap(({ sourceContainer, readOnly }) => {
    const source = containerNamed(task, sourceContainer ?? '')?.engineName;
    if (source === undefined) return [];
    return readOnly === true ? `${source}:ro` : source;
  });
}

/** `name:alias` with the engine's name for the container; the alias defaults to the name in the definition. */
function linksOf(task: AgentTask, definition: ContainerDefinition): string[] {
  return (definition.links ?? []).flatMap((link) => {
    const target = linkedContainer(link);
    const engineName = containerNamed(task, target)?.engineName;
    const alias = link.slice(target.length + 1) || target;
    return engineName === undefined ? [] : `${engineName}:${alias}`;
  });
}

function devicesOf(
  devices: NonNullable<NonNullable<ContainerDefinition['linuxParameters']>['devices']>,
): DeviceMapping[] {
  const letters = { read: 'r', write: 'w', mknod: 'm' } as const;
  return devices.map(({ hostPath, containerPath, permissions = ['read', 'write', 'mknod'] }) => ({
    hostPath,
    containerPath: containerPath ?? hostPath,
    permissions: permissions.map((permission) => letters[permission]).join(''),
  }));
}

type MemoryLimits = Pick<
  ContainerSpec,
  'memoryBytes' | 'memoryReservationBytes' | 'memorySwapBytes' | 'memorySwappiness'
>;

/** A container without a hard limit of its own may use what the whole task was given. */
function memoryOf(
  task: AgentTask,
  definition: ContainerDefinition,
  override: ContainerOverride | undefined,
): MemoryLimits {
  const taskMemory = task.assignment.overrides.memory ?? task.definition.memory;
  const hard =
    override?.memory ?? definition.memory ?? (taskMemory === undefined ? undefined : parseTaskMemory(taskMemory));
  const soft = override?.memoryReservation ?? definition.memoryReservation;
  const limits: MemoryLimits = {};
  if (hard !== undefined) limits.memoryBytes = Math.max(leastMemoryBytes, hard * mebibyte);
  if (soft !== undefined) limits.memoryReservationBytes = Math.max(leastMemoryBytes, soft * mebibyte);
  const swap = definition.linuxParameters?.maxSwap;
  // Without maxSwap ECS ignores swappiness and leaves swap to the engine.
  if (swap === undefined || limits.memoryBytes === undefined) return limits;
  limits.memorySwapBytes = limits.memoryBytes + swap * mebibyte;
  if (definition.linuxParameters?.swappiness !== undefined) {
    limits.memorySwappiness = definition.linuxParameters.swappiness;
  }
  return limits;
}

function logOf(configuration: LogConfiguration | undefined): Pick<ContainerSpec, 'logDriver' | 'logOptions'> {
  if (configuration === undefined) return { logOptions: {} };
  const options = { ...configuration.options };
  if (options['mode'] === 'non-blocking') options['max-buffer-size'] ??= defaultMaxBufferSize;
  return { logDriver: configuration.logDriver, logOptions: options };
}

function healthCheckOf(check: HealthCheck): HealthCheckSpec {
  const seconds = { ...healthCheckDefaults, ...check };
  return {
    test: check.command,
    intervalMs: seconds.interval * 1000,
    timeoutMs: seconds.timeout * 1000,
    retries: seconds.retries,
    startPeriodMs: seconds.startPeriod * 1000,
  };
}
