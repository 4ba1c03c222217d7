/**
 * No field of a task definition goes unheard: each changes what the engine is asked for, or what is decided, or needs an attribute that this agent
 * does not register and is refused at placement. A field that is new in the API fails here until it is one of these, and until it is in
 * docs/container-definition.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { capabilities } from '#agent/host/capabilities.ts';
import { containerSpec } from '#agent/tasks/container-config.ts';
import { pauseContainerName } from '#agent/tasks/pause-container.ts';
import { pauseSpec } from '#agent/tasks/pause-spec.ts';
import { missingAttributes } from '#model/attributes.ts';
import type { ContainerDefinition, LinuxParameters } from '#model/container-definition.ts';
import { requiredAttributes } from '#model/task-definition-requirements.ts';
import { taskResources, type TaskDefinitionBody, type Volume } from '#model/task-definition.ts';
import { containerDefinition } from '#protocol/ecs/container-definitions.ts';
import { registerTaskDefinition } from '#protocol/ecs/task-definitions.ts';
import { anAgentTask } from '#test/support/builders/an-agent-task.ts';
import { fakeDescription } from '#test/support/fake-engine.ts';

/** A field that no rendering shows: the test in which it is seen to act. */
interface ActsElsewhere<Value> {
  value: Value;
  seenIn: string;
}
type Sample<Value> = Value | ActsElsewhere<Value>;
type Samples<T> = { [Field in keyof Required<T>]: Sample<NonNullable<T[Field]>> };

const decisions = 'test/unit/agent/tasks/next-actions.test.ts';

const containerFields: Samples<ContainerDefinition> = {
  name: { value: 'app', seenIn: 'test/unit/agent/tasks/container-config.test.ts' },
  image: 'other:1',
  repositoryCredentials: { credentialsParameter: 'arn:aws:secretsmanager:us-east-1:000000000000:secret:x' },
  cpu: 100,
  memory: 100,
  memoryReservation: 50,
  links: ['db'],
  portMappings: [{ containerPort: 80 }],
  essential: { value: false, seenIn: 'test/unit/agent/tasks/facts.test.ts' },
  restartPolicy: { value: { enabled: true }, seenIn: 'test/unit/agent/tasks/facts.test.ts' },
  entryPoint: ['/bin/sh'],
  command: ['true'],
  environment: [{ name: 'A', value: 'b' }],
  environmentFiles: [{ type: 's3', value: 'arn:aws:s3:::bucket/a.env' }],
  mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }],
  volumesFrom: [{ sourceContainer: 'db' }],
  linuxParameters: { initProcessEnabled: true },
  secrets: [{ name: 'A', valueFrom: '/a' }],
  dependsOn: { value: [{ containerName: 'db', condition: 'START' }], seenIn: decisions },
  startTimeout: { value: 5, seenIn: decisions },
  stopTimeout: { value: 5, seenIn: decisions },
  versionConsistency: { value: 'disabled', seenIn: 'src/control/deployments/pinned-images.ts' },
  hostname: 'inside',
  user: 'guest',
  workingDirectory: '/tmp',
  disableNetworking: true,
  privileged: true,
  readonlyRootFilesystem: true,
  dnsServers: ['192.0.2.1'],
  dnsSearchDomains: ['example'],
  extraHosts: [{ hostname: 'x', ipAddress: '192.0.2.2' }],
  dockerSecurityOptions: ['no-new-privileges'],
  interactive: true,
  pseudoTerminal: true,
  dockerLabels: { a: 'b' },
  ulimits: [{ name: 'core', softLimit: 0, hardLimit: 0 }],
  logConfiguration: { logDriver: 'syslog' },
  healthCheck: { command: ['CMD', 'true'] },
  systemControls: [{ namespace: 'net.core.somaxconn', value: '10' }],
  resourceRequirements: {
    value: [{ type: 'GPU', value: '1' }],
    seenIn: 'test/unit/agent/runner/host-resources.test.ts',
  },
  firelensConfiguration: { type: 'fluentbit' },
  credentialSpecs: ['credentialspec:x'],
};

const linuxFields: Samples<LinuxParameters> = {
  capabilities: { add: ['NET_ADMIN'] },
  devices: [{ hostPath: '/dev/null' }],
  initProcessEnabled: true,
  sharedMemorySize: 10,
  tmpfs: [{ containerPath: '/scratch', size: 1 }],
  maxSwap: 10,
  // Like ECS, only together with maxSwap.
  swappiness: { value: 5, seenIn: 'test/unit/agent/tasks/container-config.test.ts' },
};

const taskFields: Samples<TaskDefinitionBody> = {
  family: { value: 'other', seenIn: 'test/unit/agent/tasks/container-config.test.ts' },
  containerDefinitions: { value: [], seenIn: decisions },
  volumes: [{ name: 'data', host: { sourcePath: '/srv' } }],
  networkMode: 'host',
  cpu: { value: '256', seenIn: 'test/unit/agent/host/task-cgroups.test.ts' },
  memory: '256',
  taskRoleArn: {
    value: 'arn:aws:iam::000000000000:role/x',
    seenIn: 'test/unit/model/task-definition-requirements.test.ts',
  },
  executionRoleArn: {
    value: 'arn:aws:iam::000000000000:role/x',
    seenIn: 'test/unit/model/task-definition-requirements.test.ts',
  },
  placementConstraints: { value: [{ type: 'memberOf', expression: 'x' }], seenIn: 'test/unit/control/scheduler' },
  requiresCompatibilities: { value: ['FARGATE'], seenIn: 'test/unit/model/task-definition-validation.test.ts' },
  runtimePlatform: { cpuArchitecture: 'ARM64' },
  pidMode: 'host',
  ipcMode: 'host',
  proxyConfiguration: { containerName: 'db' },
  inferenceAccelerators: [{ deviceName: 'a', deviceType: 'eia1.medium' }],
  // Kept and shown; a machine that people own has no store of its own for each task to be sized.
  ephemeralStorage: { value: { sizeInGiB: 30 }, seenIn: 'docs/container-definition.md' },
  enableFaultInjection: true,
};

const volumeFields: Samples<Volume> = {
  name: { value: 'data', seenIn: 'test/unit/agent/tasks/container-config.test.ts' },
  host: { sourcePath: '/srv' },
  dockerVolumeConfiguration: { scope: 'shared' },
  efsVolumeConfiguration: { fileSystemId: 'fs-1' },
  s3filesVolumeConfiguration: { fileSystemArn: 'arn:aws:s3files:x' },
  fsxWindowsFileServerVolumeConfiguration: {
    fileSystemId: 'fs-1',
    rootDirectory: 'x',
    authorizationConfig: { credentialsParameter: 'x', domain: 'x' },
  },
  configuredAtLaunch: true,
};

const root = resolve(import.meta.dirname, '../../..');
const registered = capabilities({
  engine: fakeDescription,
  taskNetwork: true,
  taskCgroups: true,
  registrySecrets: false,
  fileSystems: [],
}).concat([
  { name: 'ecs.os-type', value: 'linux' },
  { name: 'ecs.cpu-architecture', value: 'x86_64' },
]);

function definitionWith(
  body: Partial<TaskDefinitionBody>,
  container: Partial<ContainerDefinition>,
): TaskDefinitionBody {
  return {
    family: 'web',
    volumes: [{ name: 'data' }],
    ...body,
    containerDefinitions: [
      {
        name: 'app',
        image: 'web:1',
        memory: 64,
        mountPoints: [{ sourceVolume: 'data', containerPath: '/at' }],
        ...container,
      },
      { name: 'db', image: 'db:1' },
    ],
  };
}

/** All that the engine is asked for. */
function rendered(definition: TaskDefinitionBody): string {
  const { containerDefinitions, ...body } = definition;
  const task = anAgentTask({ containers: containerDefinitions, definition: body });
  const specs = task.containers.map(({ name }) =>
    name === pauseContainerName
      ? pauseSpec(task, { machineId: 'm', taskNetwork: 'n' })
      : containerSpec(task, name, 'm'),
  );
  return JSON.stringify([specs, task.volumes, taskResources(definition)]);
}

const plain = definitionWith({}, {});

function isSeen(definition: TaskDefinitionBody): boolean {
  const missing = missingAttributes(requiredAttributes(definition), registered);
  return missing.length > 0 || rendered(definition) !== rendered(plain);
}

function actsElsewhere(sample: unknown): sample is ActsElsewhere<unknown> {
  return typeof sample === 'object' && sample !== null && 'seenIn' in sample;
}

function acts(sample: unknown, definition: TaskDefinitionBody): boolean {
  return actsElsewhere(sample) ? existsSync(resolve(root, sample.seenIn)) : isSeen(definition);
}

describe('every field is rendered, decided upon or refused', () => {
  it.each(Object.entries(containerFields))('of a container: %s', (field, sample) => {
    expect(acts(sample, definitionWith({}, { [field]: sample }))).toBe(true);
  });

  it.each(Object.entries(linuxFields))('of linuxParameters: %s', (field, sample) => {
    expect(acts(sample, definitionWith({}, { linuxParameters: { [field]: sample } }))).toBe(true);
  });

  it.each(Object.entries(taskFields))('of a task: %s', (field, sample) => {
    expect(acts(sample, definitionWith({ [field]: sample }, {}))).toBe(true);
  });

  it.each(Object.entries(volumeFields))('of a volume: %s', (field, sample) => {
    expect(acts(sample, definitionWith({ volumes: [{ name: 'data', [field]: sample }] }, {}))).toBe(true);
  });
});

describe('the lists here are those of the API', () => {
  const linux = containerDefinition.shape.linuxParameters.unwrap();
  const volume = registerTaskDefinition.shape.volumes.unwrap().element;
  it.each([
    ['a container', containerFields, containerDefinition.shape],
    ['linuxParameters', linuxFields, linux.shape],
    ['a volume', volumeFields, volume.shape],
  ])('for %s', (_, samples, shape) => {
    expect(Object.keys(samples).toSorted()).toEqual(Object.keys(shape).toSorted());
  });

  it('for a task, which has its tags beside it', () => {
    const { tags, ...body } = registerTaskDefinition.shape;
    expect(tags).toBeDefined();
    expect(Object.keys(taskFields).toSorted()).toEqual(Object.keys(body).toSorted());
  });

  it('and each has its row in the table for users, with a test that is there', () => {
    const text = readFileSync(resolve(root, 'docs/container-definition.md'), 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    const named = new Set(
      rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, one]) => one)),
    );
    const fields = [containerFields, linuxFields, taskFields, volumeFields].flatMap((samples) => Object.keys(samples));
    expect(fields.filter((field) => !named.has(field))).toEqual([]);
    const tests = [...text.matchAll(/\b(?:test|src)\/[\w/.-]+\.ts\b/g)].map(([path]) => path);
    expect(tests.filter((path) => !existsSync(resolve(root, path)))).toEqual([]);
  });
});
