/** What a container may not ask for, by the sentence that a caller reads: settings out of range, that contradict each other, or that mean nothing. */
import { describe, expect, it } from 'vitest';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { validateTaskDefinition } from '#model/task-definition-validation.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';

type Case = [string, Partial<TaskDefinitionBody>, string];

function withContainers(...containers: Partial<ContainerDefinition>[]): {
  containerDefinitions: ContainerDefinition[];
} {
  return { containerDefinitions: containers.map((container) => aContainerDefinition(container)) };
}

describe('a container is refused for', () => {
  const cases: readonly Case[] = [
    [
      'attempts to restart without a restart policy',
      withContainers({ dockerLabels: { 'berth.restart-attempts': '3' } }),
      "Invalid setting for container 'main'. The docker label 'berth.restart-attempts' needs a 'restartPolicy' that is enabled.",
    ],
    [
      'endless attempts to restart',
      withContainers({ dockerLabels: { 'berth.restart-attempts': '-1' }, restartPolicy: { enabled: true } }),
      "Invalid setting for container 'main'. The docker label 'berth.restart-attempts' must be a whole number from 1 to 100, got '-1'.",
    ],
    [
      'a port that a range has too',
      withContainers({ portMappings: [{ containerPortRange: '80-90' }, { containerPort: 85 }] }),
      "Invalid setting for container 'main'. Container ports 85 are mapped more than once in 'portMappings'.",
    ],
    [
      'too many ranges of ports',
      withContainers({
        portMappings: Array.from({ length: 101 }, (_, at) => ({ containerPortRange: `${at + 1}-${at + 1}` })),
      }),
      "Invalid setting for container 'main'. 'portMappings' must have at most 100 of 'containerPortRange'.",
    ],
    [
      'ports without networking',
      withContainers({ disableNetworking: true, portMappings: [{ containerPort: 80 }] }),
      "Invalid setting for container 'main'. 'portMappings' are not allowed with 'disableNetworking'.",
    ],
    [
      'links without networking',
      withContainers({ disableNetworking: true, links: ['db'] }, { name: 'db' }),
      "Invalid setting for container 'main'. 'links' are not allowed with 'disableNetworking'.",
    ],
    ...(['NONE', 'curl -f http://localhost/'] as const).map((word): Case => [
      `a health check that no engine runs (${word})`,
      withContainers({ healthCheck: { command: [word] } }),
      "Invalid setting for container 'main'. 'healthCheck.command' must begin with CMD or CMD-SHELL and go on with a command.",
    ]),
    [
      'a health check that says only how',
      withContainers({ healthCheck: { command: ['CMD-SHELL'] } }),
      "Invalid setting for container 'main'. 'healthCheck.command' must begin with CMD or CMD-SHELL and go on with a command.",
    ],
    ...(
      [
        ['timeout', 61, 2, 60],
        ['retries', 11, 1, 10],
        ['startPeriod', 301, 0, 300],
        ['interval', 301, 5, 300],
      ] as const
    ).map(([field, value, least, most]): Case => [
      `a health check's ${field} of ${value}`,
      withContainers({ healthCheck: { command: ['CMD', 'true'], [field]: value } }),
      `Invalid setting for container 'main'. 'healthCheck.${field}' must be between ${least} and ${most}, got ${value}.`,
    ]),
    [
      'a start that never was',
      withContainers({ startTimeout: -1 }),
      "Invalid setting for container 'main'. 'startTimeout' must not be negative, got -1.",
    ],
    [
      'too many exit codes to ignore',
      withContainers({
        restartPolicy: { enabled: true, ignoredExitCodes: Array.from({ length: 51 }, (_, code) => code) },
      }),
      "Invalid setting for container 'main'. 'restartPolicy.ignoredExitCodes' must have at most 50 exit codes.",
    ],
    [
      'a place in the container that is not absolute',
      {
        volumes: [{ name: 'data' }],
        ...withContainers({ mountPoints: [{ sourceVolume: 'data', containerPath: 'x' }] }),
      },
      "Invalid setting for container 'main'. 'containerPath' x must be an absolute path.",
    ],
    [
      'a mount point without a place',
      { volumes: [{ name: 'data' }], ...withContainers({ mountPoints: [{ sourceVolume: 'data' }] }) },
      "Invalid setting for container 'main'. 'mountPoints' of volume 'data' must specify 'containerPath'.",
    ],
    [
      'a place on the host that is not absolute',
      { volumes: [{ name: 'data', host: { sourcePath: 'srv/data' } }] },
      "Invalid setting for volume 'data'. 'host.sourcePath' srv/data must be an absolute path.",
    ],
    [
      'a volume of the task that is made by itself',
      { volumes: [{ name: 'data', dockerVolumeConfiguration: { scope: 'task', autoprovision: true } }] },
      "Invalid setting for volume 'data'. 'autoprovision' can only be specified when 'scope' is shared.",
    ],
    [
      'one ulimit twice',
      withContainers({
        ulimits: [
          { name: 'core', softLimit: 0, hardLimit: 0 },
          { name: 'core', softLimit: 1, hardLimit: 1 },
        ],
      }),
      "Invalid setting for container 'main'. Ulimit 'core' is set more than once.",
    ],
    [
      'less than no limit',
      withContainers({ ulimits: [{ name: 'core', softLimit: -2, hardLimit: 0 }] }),
      "Invalid setting for container 'main'. The limits of ulimit 'core' must not be negative, except -1 for unlimited.",
    ],
    [
      'a memory file system of no size',
      withContainers({ linuxParameters: { tmpfs: [{ containerPath: '/t', size: 0 }] } }),
      "Invalid setting for container 'main'. 'tmpfs' at /t must have a 'size' of at least 1 MiB.",
    ],
    [
      'a memory file system nowhere',
      withContainers({ linuxParameters: { tmpfs: [{ containerPath: 't', size: 1 }] } }),
      "Invalid setting for container 'main'. 'containerPath' t must be an absolute path.",
    ],
    [
      'shared memory of no size',
      withContainers({ linuxParameters: { sharedMemorySize: 0 } }),
      "Invalid setting for container 'main'. 'sharedMemorySize' must be at least 1 MiB.",
    ],
    [
      'swap on top of no limit',
      {
        containerDefinitions: [{ name: 'main', image: 'web', memoryReservation: 64, linuxParameters: { maxSwap: 10 } }],
      },
      "Invalid setting for container 'main'. 'maxSwap' needs a hard limit: set 'memory'.",
    ],
    [
      'half a kernel setting',
      withContainers({ systemControls: [{ namespace: 'net.core.somaxconn' }] }),
      "Invalid setting for container 'main'. 'systemControls' must specify 'namespace' and 'value'.",
    ],
    [
      "a kernel setting of the host's network",
      { networkMode: 'host', ...withContainers({ systemControls: [{ namespace: 'net.core.somaxconn', value: '1' }] }) },
      "Invalid setting for container 'main'. 'systemControls' net.core.somaxconn is not supported when networkMode=host.",
    ],
    [
      'two ports with one name',
      withContainers({
        portMappings: [
          { containerPort: 80, name: 'web' },
          { containerPort: 81, name: 'web' },
        ],
      }),
      "Port mapping name 'web' is used more than once in the task definition.",
    ],
    [
      'a link to itself',
      withContainers({ links: ['main'] }),
      "Invalid setting for container 'main'. 'links' must not name the container itself.",
    ],
    [
      'volumes from itself',
      withContainers({ volumesFrom: [{ sourceContainer: 'main' }] }),
      "Invalid setting for container 'main'. 'volumesFrom' must not name the container itself.",
    ],
    [
      'a range of ports in host mode',
      { networkMode: 'host', ...withContainers({ portMappings: [{ containerPortRange: '80-90' }] }) },
      "Invalid setting for container 'main'. 'containerPortRange' is not supported when networkMode=host.",
    ],
    [
      'a range and a port at once',
      withContainers({ portMappings: [{ containerPortRange: '80-90', hostPort: 80 }] }),
      "Invalid setting for container 'main'. 'containerPortRange' can't be combined with 'containerPort' or 'hostPort'.",
    ],
    [
      'links in awsvpc mode',
      { networkMode: 'awsvpc', ...withContainers({ links: ['db'] }, { name: 'db' }) },
      "Invalid setting for container 'main'. 'links' are not supported when networkMode=awsvpc.",
    ],
    [
      'a wait for the success of an essential container',
      withContainers({ dependsOn: [{ containerName: 'db', condition: 'SUCCESS' }] }, { name: 'db' }),
      "Invalid setting for container 'main'. 'dependsOn' has condition SUCCESS on essential container 'db'.",
    ],
  ];
  it.each(cases)('%s', (_what, body, message) => {
    const definition = { family: 'web', containerDefinitions: [aContainerDefinition()], ...body };
    expect(validateTaskDefinition(definition)).toEqual([{ code: 'ClientException', message }]);
  });
});
