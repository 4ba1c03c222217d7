/**
 * The rules of ECS over a whole task definition: what must agree between its parts. The shape of each field has been judged before
 * (protocol/ecs). All problems are returned at once; a definition with none can be registered.
 */
import type { ContainerDefinition } from './container-definition.ts';
import { isEssential } from './container-definition.ts';
import { containerProblems } from './container-validation.ts';
import { fargateObstacles } from './fargate.ts';
import { parseTaskCpu, parseTaskMemory, type TaskDefinitionBody, taskPorts, type Volume } from './task-definition.ts';

/** What RegisterTaskDefinition answers; `message` is for the caller. */
export interface Problem {
  code: 'ClientException';
  message: string;
}

/** Bytes of JSON. */
export const maximumTaskDefinitionBytes = 65_536;

const minimumTaskCpu = 128;
const maximumTaskCpu = 196_608;
const minimumTaskMemory = 6;

export function validateTaskDefinition(body: TaskDefinitionBody): Problem[] {
  const tooLong = documentProblem(body);
  if (tooLong !== undefined) return [{ code: 'ClientException', message: tooLong }];
  const messages = [
    ...containerListProblems(body),
    ...sizeProblems(body),
    ...compatibilityProblems(body),
    ...volumeProblems(body.volumes ?? []),
    ...body.containerDefinitions.flatMap((container) => containerProblems(container, body)),
    ...hostPortProblems(body),
    ...dependencyProblems(body.containerDefinitions),
    ...portNameProblems(body),
    ...proxyProblems(body),
  ];
  return [...new Set(messages)].map((message) => ({ code: 'ClientException', message }));
}

/** Judged first and alone: what is too long is not worth reading. */
function documentProblem(body: TaskDefinitionBody): string | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(body)).length;
  if (bytes <= maximumTaskDefinitionBytes) return undefined;
  return `Actual length: '${bytes}'. Max allowed length is '${maximumTaskDefinitionBytes}' bytes.`;
}

function containerListProblems(body: TaskDefinitionBody): string[] {
  const containers = body.containerDefinitions;
  if (containers.length === 0) return ['Container list cannot be empty.'];
  const found = repeated(containers.map((container) => container.name)).map(
    (name) =>
      `Container name '${name}' is used more than once. Names of containers must be unique within a task definition.`,
  );
  if (!containers.some(isEssential)) found.push('A task definition must have at least one essential container.');
  return found;
}

function sizeProblems(body: TaskDefinitionBody): string[] {
  const found: string[] = [];
  const cpu = body.cpu === undefined ? undefined : parseTaskCpu(body.cpu);
  const memory = body.memory === undefined ? undefined : parseTaskMemory(body.memory);
  if (body.cpu !== undefined && (cpu === undefined || cpu < minimumTaskCpu || cpu > maximumTaskCpu)) {
    found.push(
      `Invalid 'cpu' setting for task: '${body.cpu}'. Expected CPU units from ${minimumTaskCpu} to ${maximumTaskCpu} or vCPUs such as '1 vCPU'.`,
    );
  }
  if (body.memory !== undefined && (memory === undefined || memory < minimumTaskMemory)) {
    found.push(
      `Invalid 'memory' setting for task: '${body.memory}'. Expected at least ${minimumTaskMemory} MiB, or gigabytes such as '2 GB'.`,
    );
  }
  const containers = body.containerDefinitions;
  const containersCpu = containers.reduce((sum, container) => sum + (container.cpu ?? 0), 0);
  if (cpu !== undefined && containersCpu > cpu) {
    found.push(`The total 'cpu' of the containers (${containersCpu}) must not exceed the 'cpu' of the task (${cpu}).`);
  }
  if (memory === undefined) return found;
  const reserved = containers.reduce(
    (sum, container) => sum + (container.memoryReservation ?? container.memory ?? 0),
    0,
  );
  if (reserved > memory) {
    found.push(
      `The total memory of the containers (${reserved} MiB) must not exceed the 'memory' of the task (${memory} MiB).`,
    );
  }
  for (const container of containers) {
    if (container.memory !== undefined && container.memory > memory) {
      found.push(
        `Invalid setting for container '${container.name}'. 'memory' ${container.memory} MiB must not exceed the 'memory' of the task (${memory} MiB).`,
      );
    }
  }
  return found;
}

function compatibilityProblems(body: TaskDefinitionBody): string[] {
  const required = body.requiresCompatibilities ?? [];
  const found: string[] = [];
  if (required.includes('FARGATE')) found.push(...fargateObstacles(body));
  if (required.includes('EXTERNAL') && body.networkMode === 'awsvpc') {
    found.push("External instances only support network modes 'bridge', 'host' and 'none'.");
  }
  return found;
}

function volumeProblems(volumes: readonly Volume[]): string[] {
  const found = repeated(volumes.map((volume) => volume.name)).map(
    (name) => `Volume name '${name}' is used more than once. Names of volumes must be unique within a task definition.`,
  );
  for (const volume of volumes) {
    const configurations = [
      volume.host,
      volume.dockerVolumeConfiguration,
      volume.efsVolumeConfiguration,
      volume.s3filesVolumeConfiguration,
      volume.fsxWindowsFileServerVolumeConfiguration,
    ].filter((configuration) => configuration !== undefined);
    if (configurations.length > 1) {
      found.push(`Invalid setting for volume '${volume.name}'. Only one volume configuration can be specified.`);
    }
    const path = volume.host?.sourcePath ?? '';
    // An engine would take it for the name of a volume.
    if (path !== '' && !path.startsWith('/')) {
      found.push(`Invalid setting for volume '${volume.name}'. 'host.sourcePath' ${path} must be an absolute path.`);
    }
    const docker = volume.dockerVolumeConfiguration;
    if (docker?.autoprovision !== undefined && docker.scope !== 'shared') {
      found.push(
        `Invalid setting for volume '${volume.name}'. 'autoprovision' can only be specified when 'scope' is shared.`,
      );
    }
  }
  return found;
}

function hostPortProblems(body: TaskDefinitionBody): string[] {
  const ports = taskPorts(body).map(({ port, protocol }) => `${port}/${protocol}`);
  return repeated(ports).map((port) => `Host port ${port} is used more than once in the task definition.`);
}

function portNameProblems(body: TaskDefinitionBody): string[] {
  const names = body.containerDefinitions.flatMap(({ portMappings }) =>
    (portMappings ?? []).flatMap(({ name }) => (name === undefined ? [] : name)),
  );
  return repeated(names).map((name) => `Port mapping name '${name}' is used more than once in the task definition.`);
}

function dependencyProblems(containers: readonly ContainerDefinition[]): string[] {
  const found: string[] = [];
  const byName = new Map(containers.map((container) => [container.name, container]));
  for (const container of containers) {
    for (const { containerName, condition } of container.dependsOn ?? []) {
      const target = byName.get(containerName);
      const sentence = (what: string) => `Invalid setting for container '${container.name}'. 'dependsOn' ${what}.`;
      if (target === undefined) found.push(sentence(`names unknown container '${containerName}'`));
      else if ((condition === 'COMPLETE' || condition === 'SUCCESS') && isEssential(target)) {
        found.push(sentence(`has condition ${condition} on essential container '${containerName}'`));
      } else if (condition === 'HEALTHY' && target.healthCheck === undefined) {
        found.push(sentence(`has condition HEALTHY on container '${containerName}', which has no 'healthCheck'`));
      }
    }
  }
  const cycle = dependencyCycle(byName);
  if (cycle !== undefined) found.push(`Container dependencies form a cycle: ${cycle.join(' -> ')}.`);
  return found;
}

/** The names along one cycle, the first repeated at the end; undefined when there is none. A link waits like a dependency. */
function dependencyCycle(byName: ReadonlyMap<string, ContainerDefinition>): string[] | undefined {
  const finished = new Set<string>();
  function visit(name: string, path: readonly string[]): string[] | undefined {
    const seenAt = path.indexOf(name);
    if (seenAt !== -1) return [...path.slice(seenAt), name];
    const container = byName.get(name);
    if (container === undefined || finished.has(name)) return undefined;
    for (const next of dependencyNames(container)) {
      const cycle = visit(next, [...path, name]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(name);
    return undefined;
  }
  for (const name of byName.keys()) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** What a container waits for: its dependencies, the containers it links to and those it takes volumes from; itself is told apart elsewhere. */
function dependencyNames(container: ContainerDefinition): string[] {
  const links = (container.links ?? []).map((link) => link.split(':')[0] ?? '');
  const sources = (container.volumesFrom ?? []).map((from) => from.sourceContainer ?? '');
  return [
    ...(container.dependsOn ?? []).map((dependency) => dependency.containerName),
    ...[...links, ...sources].filter((name) => name !== container.name),
  ];
}

function proxyProblems(body: TaskDefinitionBody): string[] {
  const proxy = body.proxyConfiguration?.containerName;
  if (proxy === undefined || body.containerDefinitions.some((container) => container.name === proxy)) return [];
  return [`'proxyConfiguration' names unknown container '${proxy}'.`];
}

/** Each text that occurs more than once, once. */
function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  const again = new Set<string>();
  for (const text of texts) (seen.has(text) ? again : seen).add(text);
  return [...again];
}
