import { describe, expect, test } from 'vitest';
import type { EngineDescription } from '#agent/engine/container-engine.ts';
import { describeHost } from '#agent/host/host.ts';
import { missingAttributes } from '#model/attributes.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import { requiredAttributes } from '#model/task-definition-requirements.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { fakeDescription } from '#test/support/fake-engine.ts';

function missing(
  body: Partial<TaskDefinitionBody>,
  engine: Partial<EngineDescription> = {},
  { taskNetwork = true, registrySecrets = false }: { taskNetwork?: boolean; registrySecrets?: boolean } = {},
): string[] {
  const { attributes } = describeHost({
    options: {
      agentVersion: '1',
      reservedMemoryMiB: 0,
      reservedPorts: [],
      attributes: [],
      registrySecrets,
      fileSystems: new Map([['fs-known', '10.0.0.9:/export']]),
    },
    machine: {
      hostname: 'h',
      cores: 2,
      memoryBytes: 4 * 2 ** 30,
      architecture: 'x64',
      system: 'Debian 12',
      fingerprint: 'f',
    },
    engine: { ...fakeDescription, ...engine },
    listening: [],
    gpuIds: [],
    taskCgroups: true,
    taskNetwork,
  });
  const definition = { family: 'f', containerDefinitions: [], ...body };
  return missingAttributes(requiredAttributes(definition), attributes).map(({ name }) => name);
}

function missingFor(container: Partial<ContainerDefinition>, engine: Partial<EngineDescription> = {}): string[] {
  return missing({ containerDefinitions: [{ name: 'web', image: 'web:1', ...container }] }, engine);
}

describe('what is carried out requires nothing that is missing', () => {
  test('every supported field at once', () => {
    const everything: Partial<ContainerDefinition> = {
      cpu: 10,
      memory: 64,
      memoryReservation: 32,
      command: ['a'],
      entryPoint: ['b'],
      environment: [{ name: 'A', value: 'b' }],
      portMappings: [{ containerPort: 80, hostPort: 0 }, { containerPortRange: '8000-8010' }],
      links: ['db'],
      mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }],
      volumesFrom: [{ sourceContainer: 'db' }],
      user: 'guest',
      workingDirectory: '/',
      hostname: 'h',
      dnsServers: ['192.0.2.1'],
      dnsSearchDomains: ['example'],
      extraHosts: [{ hostname: 'x', ipAddress: '192.0.2.2' }],
      dockerLabels: { a: 'b' },
      dockerSecurityOptions: ['no-new-privileges'],
      privileged: true,
      readonlyRootFilesystem: true,
      interactive: true,
      pseudoTerminal: true,
      ulimits: [{ name: 'nofile', softLimit: 10, hardLimit: 10 }],
      systemControls: [{ namespace: 'net.core.somaxconn', value: '10' }],
      disableNetworking: true,
      restartPolicy: { enabled: true },
      linuxParameters: {
        capabilities: { add: ['NET_ADMIN'], drop: ['MKNOD'] },
        initProcessEnabled: true,
        sharedMemorySize: 10,
        tmpfs: [{ containerPath: '/t', size: 1 }],
        devices: [{ hostPath: '/dev/null' }],
        maxSwap: 1,
        swappiness: 1,
      },
      healthCheck: { command: ['CMD', 'true'], startPeriod: 1 },
      stopTimeout: 5,
      startTimeout: 5,
      dependsOn: [{ containerName: 'db', condition: 'HEALTHY' }],
    };
    expect(missingFor(everything)).toEqual([]);
  });

  test.each(['bridge', 'host', 'none', 'awsvpc'] as const)('network mode %s', (networkMode) => {
    expect(missing({ networkMode })).toEqual([]);
  });

  test.each(['json-file', 'syslog', 'journald', 'gelf', 'fluentd'] as const)('log driver %s', (logDriver) => {
    expect(missingFor({ logConfiguration: { logDriver } })).toEqual([]);
  });

  test('volumes of the host and of the engine', () => {
    const volumes = [
      { name: 'a', host: { sourcePath: '/srv' } },
      { name: 'b', host: {} },
      { name: 'c', dockerVolumeConfiguration: { scope: 'shared' as const, autoprovision: true, driver: 'local' } },
    ];
    expect(missing({ volumes })).toEqual([]);
  });

  test('shared namespaces', () => {
    expect(missing({ pidMode: 'task', ipcMode: 'host' })).toEqual([]);
  });

  test('network file systems that the machine has a server for', () => {
    expect(missing({ volumes: [{ name: 'a', efsVolumeConfiguration: { fileSystemId: 'fs-known' } }] })).toEqual([]);
  });

  test('this platform', () => {
    expect(missing({ runtimePlatform: { cpuArchitecture: 'X86_64', operatingSystemFamily: 'LINUX' } })).toEqual([]);
  });
});

describe('what is not carried out names what is missing', () => {
  test.each<[string, Partial<TaskDefinitionBody>, string]>([
    ['a task role', { taskRoleArn: 'arn:aws:iam::000000000000:role/x' }, 'com.amazonaws.ecs.capability.task-iam-role'],
    ['another architecture', { runtimePlatform: { cpuArchitecture: 'ARM64' } }, 'ecs.cpu-architecture'],
    [
      'a volume driver the engine lacks',
      { volumes: [{ name: 'a', dockerVolumeConfiguration: { driver: 'rexray' } }] },
      'ecs.capability.docker-plugin.rexray',
    ],
    [
      'a network file system that the machine has no server for',
      { volumes: [{ name: 'a', efsVolumeConfiguration: { fileSystemId: 'fs-1' } }] },
      'berth.efs.fs-1',
    ],
    [
      'a network file system under encryption',
      { volumes: [{ name: 'a', efsVolumeConfiguration: { fileSystemId: 'fs-known', transitEncryption: 'ENABLED' } }] },
      'ecs.capability.efsAuth',
    ],
  ])('%s', (_, body, name) => {
    expect(missing(body)).toContain(name);
  });

  test.each<[string, Partial<ContainerDefinition>, string]>([
    [
      'secrets',
      { secrets: [{ name: 'A', valueFrom: 'arn:aws:secretsmanager:us-east-1:000000000000:secret:x' }] },
      'ecs.capability.secrets.asm.environment-variables',
    ],
    ['parameters', { secrets: [{ name: 'A', valueFrom: '/x' }] }, 'ecs.capability.secrets.ssm.environment-variables'],
    ['awslogs', { logConfiguration: { logDriver: 'awslogs' } }, 'com.amazonaws.ecs.capability.logging-driver.awslogs'],
    ['FireLens', { firelensConfiguration: { type: 'fluentbit' } }, 'ecs.capability.firelens.fluentbit'],
    [
      'repository credentials',
      { repositoryCredentials: { credentialsParameter: 'x' } },
      'ecs.capability.private-registry-authentication.secretsmanager',
    ],
    ['environment files', { environmentFiles: [{ type: 's3', value: 'x' }] }, 'ecs.capability.env-files.s3'],
    [
      'ECR images',
      { image: '000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1' },
      'com.amazonaws.ecs.capability.ecr-auth',
    ],
  ])('%s', (_, container, name) => {
    expect(missingFor(container)).toContain(name);
  });

  test('tasks with networks of their own where none can be had', () => {
    expect(missing({ networkMode: 'awsvpc' }, {}, { taskNetwork: false })).toEqual(['ecs.capability.task-eni']);
    // Nothing on the machine reaches the addresses of a rootless engine.
    expect(missing({ networkMode: 'awsvpc' }, { securityOptions: ['rootless'] })).toEqual(['ecs.capability.task-eni']);
  });

  test('repository credentials, unless the operator has some', () => {
    const image = { name: 'web', image: 'web:1', repositoryCredentials: { credentialsParameter: 'x' } };
    expect(missing({ containerDefinitions: [image] }, {}, { registrySecrets: true })).toEqual([]);
  });

  test('privileged containers on a rootless engine', () => {
    expect(missingFor({ privileged: true }, { securityOptions: ['rootless'] })).toHaveLength(1);
  });

  test('AppArmor profiles on an engine without it', () => {
    const container = { dockerSecurityOptions: ['apparmor:unconfined'] };
    expect(missingFor(container)).toEqual([]);
    expect(missingFor(container, { securityOptions: ['seccomp'] })).toHaveLength(1);
  });
});
