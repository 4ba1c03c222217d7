/** What ECS refuses about one container of a task definition, beyond the shape of its fields. */
import type { ContainerDefinition } from './container-definition.ts';
import { restartAttemptsProblem } from './restart-attempts.ts';
import { portRange, type TaskDefinitionBody } from './task-definition.ts';

/** Engines of today refuse to start a container with less. MiB. */
const minimumMemory = 6;
const maximumIgnoredExitCodes = 50;
const maximumFargateTimeout = 120;

/** Sentences for the caller, each naming the container and the field. */
export function containerProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  return [
    ...memoryProblems(container, body),
    ...portProblems(container, body),
    ...healthCheckProblems(container),
    ...timeoutProblems(container, body),
    ...restartPolicyProblems(container),
    ...linkProblems(container, body),
    ...mountProblems(container, body),
    ...secretProblems(container),
    ...ulimitProblems(container),
    ...linuxProblems(container, body),
    ...systemControlProblems(container, body),
  ];
}

function invalid(container: ContainerDefinition, what: string): string {
  return `Invalid setting for container '${container.name}'. ${what}`;
}

function memoryProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  const { memory, memoryReservation } = container;
  if (memory === undefined && memoryReservation === undefined && body.memory === undefined) {
    found.push(invalid(container, "At least one of 'memory' or 'memoryReservation' must be specified."));
  }
  for (const [field, value] of Object.entries({ memory, memoryReservation })) {
    if (value !== undefined && value < minimumMemory) {
      found.push(invalid(container, `'${field}' must be at least ${minimumMemory} MiB.`));
    }
  }
  if (memory !== undefined && memoryReservation !== undefined && memory < memoryReservation) {
    found.push(invalid(container, "'memory' must be greater than or equal to 'memoryReservation'."));
  }
  return found;
}

const maximumPortRanges = 100;

function portProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const mappings = container.portMappings ?? [];
  const mode = body.networkMode ?? 'bridge';
  if (mode === 'none' && mappings.length > 0) {
    return [invalid(container, "'portMappings' are not allowed when networkMode=none.")];
  }
  if (container.disableNetworking === true && mappings.length > 0) {
    return [invalid(container, "'portMappings' are not allowed with 'disableNetworking'.")];
  }
  const found: string[] = [];
  for (const mapping of mappings) {
    const { containerPort, hostPort, containerPortRange } = mapping;
    if (containerPortRange !== undefined) {
      if (mode === 'host')
        found.push(invalid(container, "'containerPortRange' is not supported when networkMode=host."));
      if (containerPort !== undefined || hostPort !== undefined) {
        found.push(invalid(container, "'containerPortRange' can't be combined with 'containerPort' or 'hostPort'."));
      }
      if (portRange(containerPortRange) === undefined) {
        found.push(
          invalid(container, `'containerPortRange' ${containerPortRange} is not a range of ports from 1 to 65535.`),
        );
      }
    } else if (containerPort === undefined) {
      found.push(invalid(container, "A port mapping must specify 'containerPort' or 'containerPortRange'."));
    } else if (containerPort === 0 && hostPort !== undefined && hostPort !== 0) {
      found.push(invalid(container, `'containerPort' 0 can't be mapped to host port ${hostPort}.`));
    } else if (mode !== 'bridge' && hostPort !== undefined && hostPort !== 0 && hostPort !== containerPort) {
      found.push(
        invalid(
          container,
          `When networkMode=${mode}, the host ports and container ports in port mappings must match: 'hostPort' ${hostPort}, 'containerPort' ${containerPort}.`,
        ),
      );
    }
  }
  if (mappings.filter(({ containerPortRange }) => containerPortRange !== undefined).length > maximumPortRanges) {
    found.push(invalid(container, `'portMappings' must have at most ${maximumPortRanges} of 'containerPortRange'.`));
  }
  return [...found, ...rangeOverlaps(container)];
}

/** A port inside a range is mapped by the range; two host ports for it could not both be told. */
function rangeOverlaps(container: ContainerDefinition): string[] {
  const spans = (container.portMappings ?? []).flatMap(
    ({ containerPort: port, containerPortRange, protocol = 'tcp' }) => {
      if (containerPortRange === undefined)
        return port === undefined ? [] : { first: port, last: port, protocol, ranged: false };
      const range = portRange(containerPortRange);
      return range === undefined ? [] : { ...range, protocol, ranged: true };
    },
  );
  const clashes = spans.filter((one, index) =>
    spans.some(
      (other, otherIndex) =>
        otherIndex < index &&
        (one.ranged || other.ranged) &&
        one.protocol === other.protocol &&
        one.first <= other.last &&
        other.first <= one.last,
    ),
  );
  return clashes.map(({ first, last }) =>
    invalid(
      container,
      `Container ports ${first === last ? first : `${first}-${last}`} are mapped more than once in 'portMappings'.`,
    ),
  );
}

/** Seconds, except `retries`. */
const healthCheckRanges = [
  ['interval', 5, 300],
  ['timeout', 2, 60],
  ['retries', 1, 10],
  ['startPeriod', 0, 300],
] as const;

function healthCheckProblems(container: ContainerDefinition): string[] {
  const check = container.healthCheck;
  if (check === undefined) return [];
  const found: string[] = [];
  const [how, ...command] = check.command;
  if (how === undefined) found.push(invalid(container, "'healthCheck.command' must not be empty."));
  // An engine takes other words without complaint, and never checks.
  else if ((how !== 'CMD' && how !== 'CMD-SHELL') || command.length === 0) {
    found.push(invalid(container, "'healthCheck.command' must begin with CMD or CMD-SHELL and go on with a command."));
  }
  for (const [field, minimum, maximum] of healthCheckRanges) {
    const value = check[field];
    if (value !== undefined && (value < minimum || value > maximum)) {
      found.push(invalid(container, `'healthCheck.${field}' must be between ${minimum} and ${maximum}, got ${value}.`));
    }
  }
  return found;
}

function timeoutProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const fargate = body.requiresCompatibilities?.includes('FARGATE') === true;
  const found: string[] = [];
  for (const field of ['startTimeout', 'stopTimeout'] as const) {
    const value = container[field];
    if (value === undefined) continue;
    if (fargate && (value < 2 || value > maximumFargateTimeout)) {
      found.push(
        invalid(
          container,
          `'${field}' must be between 2 and ${maximumFargateTimeout} seconds on Fargate, got ${value}.`,
        ),
      );
    } else if (value < 0) {
      found.push(invalid(container, `'${field}' must not be negative, got ${value}.`));
    }
  }
  return found;
}

function restartPolicyProblems(container: ContainerDefinition): string[] {
  const policy = container.restartPolicy;
  const attempts = restartAttemptsProblem(container);
  const found = attempts === undefined ? [] : [invalid(container, attempts)];
  if (policy === undefined) return found;
  const period = policy.restartAttemptPeriod;
  if (period !== undefined && (period < 60 || period > 1800)) {
    found.push(
      invalid(container, `'restartPolicy.restartAttemptPeriod' must be between 60 and 1800 seconds, got ${period}.`),
    );
  }
  if ((policy.ignoredExitCodes ?? []).length > maximumIgnoredExitCodes) {
    found.push(
      invalid(container, `'restartPolicy.ignoredExitCodes' must have at most ${maximumIgnoredExitCodes} exit codes.`),
    );
  }
  return found;
}

/** A link is `container` or `container:alias`. */
function linkProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const links = container.links ?? [];
  const mode = body.networkMode ?? 'bridge';
  if (links.length > 0 && mode !== 'bridge') {
    return [invalid(container, `'links' are not supported when networkMode=${mode}.`)];
  }
  if (links.length > 0 && container.disableNetworking === true) {
    return [invalid(container, "'links' are not allowed with 'disableNetworking'.")];
  }
  const found: string[] = [];
  for (const link of links) {
    const target = link.split(':')[0] ?? '';
    if (target === container.name) found.push(invalid(container, "'links' must not name the container itself."));
    else if (!hasContainer(body, target))
      found.push(invalid(container, `'links' names unknown container '${target}'.`));
  }
  return found;
}

function mountProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  const volumes = new Set((body.volumes ?? []).map((volume) => volume.name));
  for (const mount of container.mountPoints ?? []) {
    const source = mount.sourceVolume ?? '';
    if (!volumes.has(source)) found.push(invalid(container, `Unknown volume '${source}' in 'mountPoints'.`));
    if (mount.containerPath === undefined || mount.containerPath === '') {
      found.push(invalid(container, `'mountPoints' of volume '${source}' must specify 'containerPath'.`));
    } else if (!mount.containerPath.startsWith('/')) {
      found.push(invalid(container, `'containerPath' ${mount.containerPath} must be an absolute path.`));
    }
  }
  for (const from of container.volumesFrom ?? []) {
    const source = from.sourceContainer ?? '';
    if (source === container.name) found.push(invalid(container, "'volumesFrom' must not name the container itself."));
    else if (!hasContainer(body, source)) {
      found.push(invalid(container, `'volumesFrom' names unknown container '${source}'.`));
    }
  }
  return found;
}

/** Environment variables may repeat one another (the last one wins); a secret may not. */
function secretProblems(container: ContainerDefinition): string[] {
  const taken = new Set((container.environment ?? []).map((variable) => variable.name));
  const found: string[] = [];
  for (const { name } of container.secrets ?? []) {
    if (taken.has(name)) {
      found.push(
        invalid(
          container,
          `The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '${name}'.`,
        ),
      );
    }
    taken.add(name);
  }
  return found;
}

function ulimitProblems(container: ContainerDefinition): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const { name, softLimit, hardLimit } of container.ulimits ?? []) {
    if (seen.has(name)) found.push(invalid(container, `Ulimit '${name}' is set more than once.`));
    seen.add(name);
    if (softLimit < -1 || hardLimit < -1) {
      found.push(invalid(container, `The limits of ulimit '${name}' must not be negative, except -1 for unlimited.`));
    }
    const unlimited = hardLimit === -1;
    if (!unlimited && (softLimit === -1 || softLimit > hardLimit)) {
      found.push(
        invalid(
          container,
          `The 'softLimit' ${softLimit} of ulimit '${name}' must not exceed its 'hardLimit' ${hardLimit}.`,
        ),
      );
    }
  }
  return found;
}

/** Sizes of nothing would make engines fall back to their defaults. */
function linuxProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const { tmpfs = [], sharedMemorySize, maxSwap } = container.linuxParameters ?? {};
  const found: string[] = [];
  for (const { containerPath, size } of tmpfs) {
    if (size < 1) found.push(invalid(container, `'tmpfs' at ${containerPath} must have a 'size' of at least 1 MiB.`));
    if (!containerPath.startsWith('/')) {
      found.push(invalid(container, `'containerPath' ${containerPath} must be an absolute path.`));
    }
  }
  if (sharedMemorySize !== undefined && sharedMemorySize < 1) {
    found.push(invalid(container, "'sharedMemorySize' must be at least 1 MiB."));
  }
  if (maxSwap !== undefined && container.memory === undefined && body.memory === undefined) {
    found.push(invalid(container, "'maxSwap' needs a hard limit: set 'memory'."));
  }
  return found;
}

function systemControlProblems(container: ContainerDefinition, body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  for (const { namespace = '', value = '' } of container.systemControls ?? []) {
    if (namespace === '' || value === '') {
      found.push(invalid(container, "'systemControls' must specify 'namespace' and 'value'."));
    } else if (body.networkMode === 'host' && namespace.startsWith('net.')) {
      found.push(invalid(container, `'systemControls' ${namespace} is not supported when networkMode=host.`));
    }
  }
  return found;
}

function hasContainer(body: TaskDefinitionBody, name: string): boolean {
  return body.containerDefinitions.some((container) => container.name === name);
}
