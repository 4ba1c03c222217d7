/** What a definition requires of its host, as RegisterTaskDefinition answers it. */
import { describe, expect, it } from 'vitest';
import { dockerRemoteApiCapabilities } from '#model/capabilities.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import { isFargateSize } from '#model/fargate.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { compatibilities, requiredAttributes } from '#model/task-definition-requirements.ts';
import { parseInput } from '#protocol/ecs/parse.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';
import webApi from '#test/support/fixtures/web-api.json' with { type: 'json' };

function bodyWith(body: Partial<TaskDefinitionBody>, container: Partial<ContainerDefinition> = {}): TaskDefinitionBody {
  return { family: 'web', containerDefinitions: [aContainerDefinition(container)], ...body };
}

function requiredBy(body: Partial<TaskDefinitionBody>, container: Partial<ContainerDefinition> = {}): string[] {
  return requiredAttributes(bodyWith(body, container)).map(({ name }) => name);
}

function webApiBody(): TaskDefinitionBody {
  const parsed = parseInput('RegisterTaskDefinition', webApi);
  if (!parsed.ok) throw parsed.error;
  return parsed.input;
}

describe('the attributes a definition requires', () => {
  it('are none for a plain container', () => {
    expect(requiredBy({})).toEqual([]);
  });

  it('are those ECS computes for web-api', () => {
    expect(requiredAttributes(webApiBody()).map(({ name }) => name)).toEqual([
      'com.amazonaws.ecs.capability.docker-remote-api.1.17',
      'com.amazonaws.ecs.capability.docker-remote-api.1.18',
      'com.amazonaws.ecs.capability.docker-remote-api.1.19',
      'com.amazonaws.ecs.capability.docker-remote-api.1.24',
      'com.amazonaws.ecs.capability.ecr-auth',
      'com.amazonaws.ecs.capability.logging-driver.awslogs',
      'com.amazonaws.ecs.capability.task-iam-role',
      'ecs.capability.container-health-check',
      'ecs.capability.execution-role-awslogs',
      'ecs.capability.execution-role-ecr-pull',
      'ecs.capability.secrets.asm.environment-variables',
      'ecs.capability.task-cpu-mem-limit',
      'ecs.capability.task-eni',
    ]);
  });

  const taskNeeds: readonly [string, Partial<TaskDefinitionBody>, string][] = [
    ['its own network', { networkMode: 'awsvpc' }, 'ecs.capability.task-eni'],
    ['a role', { taskRoleArn: 'arn:role' }, 'com.amazonaws.ecs.capability.task-iam-role'],
    [
      'a role in host mode',
      { taskRoleArn: 'arn:role', networkMode: 'host' },
      'com.amazonaws.ecs.capability.task-iam-role-network-host',
    ],
    ['shared processes', { pidMode: 'task' }, 'ecs.capability.pid-ipc-namespace-sharing'],
    ['a mesh', { proxyConfiguration: { containerName: 'main' } }, 'ecs.capability.aws-appmesh'],
    ['injected faults', { enableFaultInjection: true }, 'ecs.capability.fault-injection'],
    [
      'a volume of the engine',
      { volumes: [{ name: 'v', dockerVolumeConfiguration: {} }] },
      'ecs.capability.docker-plugin.local',
    ],
    [
      'a network file system',
      { volumes: [{ name: 'v', efsVolumeConfiguration: { fileSystemId: 'fs' } }] },
      'ecs.capability.efs',
    ],
    [
      'a disk of its own',
      { volumes: [{ name: 'v', configuredAtLaunch: true }] },
      'ecs.capability.storage.ebs-task-volume-attach',
    ],
    ['many cores', { cpu: '16384' }, 'ecs.capability.increased-task-cpu-limit'],
  ];
  it.each(taskNeeds)('name %s of the task', (_what, body, name) => {
    expect(requiredBy(body)).toContain(name);
  });

  const containerNeeds: readonly [string, Partial<ContainerDefinition>, string][] = [
    ['privileges', { privileged: true }, 'com.amazonaws.ecs.capability.privileged-container'],
    [
      'a parameter',
      { secrets: [{ name: 'A', valueFrom: '/prod/a' }] },
      'ecs.capability.secrets.ssm.environment-variables',
    ],
    ['an environment file', { environmentFiles: [{ value: 'arn:s3', type: 's3' }] }, 'ecs.capability.env-files.s3'],
    [
      'credentials of a registry',
      { repositoryCredentials: { credentialsParameter: 'arn:secret' } },
      'ecs.capability.private-registry-authentication.secretsmanager',
    ],
    ['an order', { dependsOn: [{ containerName: 'db', condition: 'START' }] }, 'ecs.capability.container-ordering'],
    ['credentials of a directory', { credentialSpecs: ['file.json'] }, 'ecs.capability.gmsa'],
    ['local restarts', { restartPolicy: { enabled: true } }, 'ecs.capability.container-restart-policy'],
    ['a log router', { firelensConfiguration: { type: 'fluentbit' } }, 'ecs.capability.firelens.fluentbit'],
    ['a log driver', { logConfiguration: { logDriver: 'gelf' } }, 'com.amazonaws.ecs.capability.logging-driver.gelf'],
    [
      'a range of ports',
      { portMappings: [{ containerPortRange: '80-90' }] },
      'ecs.capability.network.container-port-range',
    ],
    ['no network at all', { disableNetworking: true }, 'berth.capability.disable-networking'],
    ['a security label', { dockerSecurityOptions: ['label:type:svirt'] }, 'com.amazonaws.ecs.capability.selinux'],
    [
      'an init process',
      { linuxParameters: { initProcessEnabled: true } },
      'com.amazonaws.ecs.capability.docker-remote-api.1.25',
    ],
  ];
  it.each(containerNeeds)('name %s of a container', (_what, container, name) => {
    expect(requiredBy({}, container)).toContain(name);
  });

  it('hold the platform to what the definition states', () => {
    expect(
      requiredAttributes(bodyWith({ runtimePlatform: { cpuArchitecture: 'ARM64', operatingSystemFamily: 'LINUX' } })),
    ).toEqual([
      { name: 'ecs.cpu-architecture', value: 'arm64' },
      { name: 'ecs.os-type', value: 'linux' },
    ]);
  });
});

describe('what an engine offers', () => {
  it('is every version up to its own', () => {
    const offered = dockerRemoteApiCapabilities('1.41');
    expect(offered).toContain('com.amazonaws.ecs.capability.docker-remote-api.1.17');
    expect(offered).toContain('com.amazonaws.ecs.capability.docker-remote-api.1.35');
    expect(offered).not.toContain('com.amazonaws.ecs.capability.docker-remote-api.1.44');
  });
});

describe('the launch types a definition fits', () => {
  it('are those of any machine for a plain container', () => {
    expect(compatibilities(bodyWith({}))).toEqual(['EC2', 'EXTERNAL']);
  });

  it('are EC2 and FARGATE for web-api', () => {
    expect(compatibilities(webApiBody())).toEqual(['EC2', 'FARGATE']);
  });

  it('leave out FARGATE where a container wants privileges', () => {
    const body = bodyWith({ networkMode: 'awsvpc', cpu: '256', memory: '512' }, { privileged: true });
    expect(compatibilities(body)).toEqual(['EC2']);
  });
});

describe('the sizes of FARGATE', () => {
  it.each([
    [256, 512, true],
    [256, 1024, true],
    [256, 1536, false],
    [256, 4096, false],
    [512, 1024, true],
    [512, 512, false],
    [1024, 8192, true],
    [4096, 30_720, true],
    [4096, 31_744, false],
    [8192, 20_480, true],
    [8192, 17_408, false],
    [16_384, 122_880, true],
    [16_384, 36_864, false],
    [300, 512, false],
  ])('%i CPU with %i MiB: %s', (cpu, memoryMiB, valid) => {
    expect(isFargateSize({ cpu, memoryMiB })).toBe(valid);
  });
});
