/** Every rule over a whole definition, by the sentence that a caller reads when it is broken. */
import { describe, expect, it } from 'vitest';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { validateTaskDefinition } from '#model/task-definition-validation.ts';
import { parseInput } from '#protocol/ecs/parse.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';
import webApi from '#test/support/fixtures/web-api.json' with { type: 'json' };

function messages(body: Partial<TaskDefinitionBody>): string[] {
  const problems = validateTaskDefinition({ family: 'web', containerDefinitions: [aContainerDefinition()], ...body });
  expect(problems.every(({ code }) => code === 'ClientException')).toBe(true);
  return problems.map(({ message }) => message);
}

function withContainers(...containers: Partial<ContainerDefinition>[]): {
  containerDefinitions: ContainerDefinition[];
} {
  return { containerDefinitions: containers.map((container) => aContainerDefinition(container)) };
}

const fargate = { requiresCompatibilities: ['FARGATE'], networkMode: 'awsvpc', cpu: '256', memory: '512' } as const;

describe('a definition without a problem', () => {
  it('is web-api', () => {
    const parsed = parseInput('RegisterTaskDefinition', webApi);
    expect(parsed.ok && validateTaskDefinition(parsed.input)).toEqual([]);
  });

  it.each<[string, Partial<TaskDefinitionBody>]>([
    ['one plain container', {}],
    [
      'a variable that is set twice',
      withContainers({
        environment: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      }),
    ],
    [
      'ports that the host picks, many times',
      withContainers({ portMappings: [{ containerPort: 80 }, { containerPort: 81, hostPort: 0 }] }),
    ],
    [
      'one port for each protocol',
      withContainers({
        portMappings: [
          { containerPort: 53, hostPort: 53 },
          { containerPort: 53, hostPort: 53, protocol: 'udp' },
        ],
      }),
    ],
    [
      'host mode with equal ports',
      { networkMode: 'host', ...withContainers({ portMappings: [{ containerPort: 80, hostPort: 80 }] }) },
    ],
    [
      'a container that has ended before another starts',
      withContainers(
        { dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }] },
        { name: 'init', essential: false },
      ),
    ],
    [
      'no memory of its own, but of the task',
      { memory: '128', containerDefinitions: [{ name: 'main', image: 'web' }] },
    ],
    ['an unlimited ulimit', withContainers({ ulimits: [{ name: 'core', softLimit: -1, hardLimit: -1 }] })],
    ['a size of FARGATE in words', { ...fargate, cpu: '.5 vCPU', memory: '1 GB' }],
  ])('has %s', (_what, body) => {
    expect(messages(body)).toEqual([]);
  });
});

describe('a definition is refused for', () => {
  const cases: readonly [string, Partial<TaskDefinitionBody>, string][] = [
    [
      'two containers with one name',
      withContainers({}, {}),
      "Container name 'main' is used more than once. Names of containers must be unique within a task definition.",
    ],
    [
      'no essential container',
      withContainers({ essential: false }),
      'A task definition must have at least one essential container.',
    ],
    ['no container', { containerDefinitions: [] }, 'Container list cannot be empty.'],
    [
      'cpu "banana"',
      { cpu: 'banana' },
      "Invalid 'cpu' setting for task: 'banana'. Expected CPU units from 128 to 196608 or vCPUs such as '1 vCPU'.",
    ],
    [
      'too little cpu',
      { cpu: '10', ...withContainers({ cpu: 0 }) },
      "Invalid 'cpu' setting for task: '10'. Expected CPU units from 128 to 196608 or vCPUs such as '1 vCPU'.",
    ],
    [
      'memory in another unit',
      { memory: '1 TB' },
      "Invalid 'memory' setting for task: '1 TB'. Expected at least 6 MiB, or gigabytes such as '2 GB'.",
    ],
    [
      'containers larger than the task',
      { cpu: '128', ...withContainers({ cpu: 256 }) },
      "The total 'cpu' of the containers (256) must not exceed the 'cpu' of the task (128).",
    ],
    [
      'containers that reserve more than the task has',
      { memory: '100', ...withContainers({ memory: 60 }, { name: 'b', memory: 60 }) },
      "The total memory of the containers (120 MiB) must not exceed the 'memory' of the task (100 MiB).",
    ],
    [
      'no memory anywhere',
      { containerDefinitions: [{ name: 'main', image: 'web' }] },
      "Invalid setting for container 'main'. At least one of 'memory' or 'memoryReservation' must be specified.",
    ],
    [
      'less memory than it reserves',
      withContainers({ memory: 64, memoryReservation: 128 }),
      "Invalid setting for container 'main'. 'memory' must be greater than or equal to 'memoryReservation'.",
    ],
    [
      'less memory than an engine grants',
      withContainers({ memory: 5 }),
      "Invalid setting for container 'main'. 'memory' must be at least 6 MiB.",
    ],
    [
      'two owners of one host port',
      withContainers(
        { portMappings: [{ containerPort: 80, hostPort: 8080 }] },
        { name: 'b', portMappings: [{ containerPort: 81, hostPort: 8080 }] },
      ),
      'Host port 8080/tcp is used more than once in the task definition.',
    ],
    [
      'another host port in host mode',
      { networkMode: 'host', ...withContainers({ portMappings: [{ containerPort: 80, hostPort: 8080 }] }) },
      "Invalid setting for container 'main'. When networkMode=host, the host ports and container ports in port mappings must match: 'hostPort' 8080, 'containerPort' 80.",
    ],
    [
      'ports without a network',
      { networkMode: 'none', ...withContainers({ portMappings: [{ containerPort: 80 }] }) },
      "Invalid setting for container 'main'. 'portMappings' are not allowed when networkMode=none.",
    ],
    [
      'a range of ports backwards',
      withContainers({ portMappings: [{ containerPortRange: '90-80' }] }),
      "Invalid setting for container 'main'. 'containerPortRange' 90-80 is not a range of ports from 1 to 65535.",
    ],
    [
      'a port mapping without a port',
      withContainers({ portMappings: [{ protocol: 'tcp' }] }),
      "Invalid setting for container 'main'. A port mapping must specify 'containerPort' or 'containerPortRange'.",
    ],
    [
      'a volume nobody knows',
      withContainers({ mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }] }),
      "Invalid setting for container 'main'. Unknown volume 'data' in 'mountPoints'.",
    ],
    [
      'two volumes with one name',
      { volumes: [{ name: 'data' }, { name: 'data' }] },
      "Volume name 'data' is used more than once. Names of volumes must be unique within a task definition.",
    ],
    [
      'a volume of two kinds',
      { volumes: [{ name: 'data', host: {}, dockerVolumeConfiguration: {} }] },
      "Invalid setting for volume 'data'. Only one volume configuration can be specified.",
    ],
    [
      'a wait for nobody',
      withContainers({ dependsOn: [{ containerName: 'db', condition: 'START' }] }),
      "Invalid setting for container 'main'. 'dependsOn' names unknown container 'db'.",
    ],
    [
      'a wait for the end of an essential container',
      withContainers({ dependsOn: [{ containerName: 'db', condition: 'COMPLETE' }] }, { name: 'db' }),
      "Invalid setting for container 'main'. 'dependsOn' has condition COMPLETE on essential container 'db'.",
    ],
    [
      'a wait for health that nobody checks',
      withContainers({ dependsOn: [{ containerName: 'db', condition: 'HEALTHY' }] }, { name: 'db' }),
      "Invalid setting for container 'main'. 'dependsOn' has condition HEALTHY on container 'db', which has no 'healthCheck'.",
    ],
    [
      'containers that wait for one another',
      withContainers(
        { name: 'a', dependsOn: [{ containerName: 'b', condition: 'START' }] },
        { name: 'b', links: ['c:alias'] },
        { name: 'c', dependsOn: [{ containerName: 'b', condition: 'START' }] },
      ),
      'Container dependencies form a cycle: b -> c -> b.',
    ],
    [
      'a container that waits for itself',
      withContainers({ dependsOn: [{ containerName: 'main', condition: 'START' }] }),
      'Container dependencies form a cycle: main -> main.',
    ],
    [
      'links outside of bridge mode',
      { networkMode: 'host', ...withContainers({ links: ['db'] }, { name: 'db' }) },
      "Invalid setting for container 'main'. 'links' are not supported when networkMode=host.",
    ],
    [
      'a link to nobody',
      withContainers({ links: ['db:database'] }),
      "Invalid setting for container 'main'. 'links' names unknown container 'db'.",
    ],
    [
      'volumes from nobody',
      withContainers({ volumesFrom: [{ sourceContainer: 'db' }] }),
      "Invalid setting for container 'main'. 'volumesFrom' names unknown container 'db'.",
    ],
    [
      'a health check that asks too often',
      withContainers({ healthCheck: { command: ['CMD', 'true'], interval: 1 } }),
      "Invalid setting for container 'main'. 'healthCheck.interval' must be between 5 and 300, got 1.",
    ],
    [
      'a health check that does nothing',
      withContainers({ healthCheck: { command: [] } }),
      "Invalid setting for container 'main'. 'healthCheck.command' must not be empty.",
    ],
    [
      'a stop that never was',
      withContainers({ stopTimeout: -1 }),
      "Invalid setting for container 'main'. 'stopTimeout' must not be negative, got -1.",
    ],
    [
      'a stop that FARGATE does not wait for',
      { ...fargate, ...withContainers({ stopTimeout: 121 }) },
      "Invalid setting for container 'main'. 'stopTimeout' must be between 2 and 120 seconds on Fargate, got 121.",
    ],
    [
      'restarts in too quick a succession',
      withContainers({ restartPolicy: { enabled: true, restartAttemptPeriod: 10 } }),
      "Invalid setting for container 'main'. 'restartPolicy.restartAttemptPeriod' must be between 60 and 1800 seconds, got 10.",
    ],
    [
      'a secret in place of a variable',
      withContainers({ environment: [{ name: 'A' }], secrets: [{ name: 'A', valueFrom: '/a' }] }),
      "Invalid setting for container 'main'. The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'A'.",
    ],
    [
      'a soft limit above the hard one',
      withContainers({ ulimits: [{ name: 'nofile', softLimit: 2, hardLimit: 1 }] }),
      "Invalid setting for container 'main'. The 'softLimit' 2 of ulimit 'nofile' must not exceed its 'hardLimit' 1.",
    ],
    ['FARGATE in bridge mode', { ...fargate, networkMode: 'bridge' }, "Fargate only supports network mode 'awsvpc'."],
    [
      'FARGATE in a size it has not',
      { ...fargate, cpu: '300' },
      'No Fargate configuration exists for given values: 300 CPU, 512 memory. See the Amazon ECS documentation for the valid values.',
    ],
    [
      'FARGATE without a size',
      { requiresCompatibilities: ['FARGATE'], networkMode: 'awsvpc' },
      "Fargate requires that 'cpu' be defined at the task level.",
    ],
    [
      'FARGATE with privileges',
      { ...fargate, ...withContainers({ privileged: true }) },
      "Invalid setting for container 'main'. Fargate does not support 'privileged'.",
    ],
  ];
  it.each(cases)('%s', (_what, body, message) => {
    expect(messages(body)).toEqual([message]);
  });

  it('its length, and then nothing else is said', () => {
    const [message, ...rest] = messages(withContainers({ command: ['x'.repeat(70_000)] }, {}));
    expect(message).toMatch(/^Actual length: '\d+'\. Max allowed length is '65536' bytes\.$/);
    expect(rest).toEqual([]);
  });

  it('all of its problems at once', () => {
    expect(messages({ cpu: 'banana', ...withContainers({}, {}) })).toHaveLength(2);
  });
});
