/** The stock `aws` command against a running control service. */
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedAwsCommands, startCell, type Cell } from './cell.ts';

let cell: Cell;

beforeAll(async () => {
  cell = await startCell();
});

afterAll(() => cell.close());

const commands = installedAwsCommands();

test('there is an aws command: install awscli from the distribution', () => {
  expect(commands).not.toEqual([]);
});

describe.each(commands)('%s ecs', (command) => {
  /** Names of its own for each command, since they share the cell. */
  const named = (name: string): string => `${name}-${commands.indexOf(command)}`;
  const aws = (...args: string[]): Promise<Record<string, unknown>> => cell.aws(command, ...args);

  test('registers a definition and describes it back, every field as sent', async () => {
    const file = fileURLToPath(new URL('../support/fixtures/web-api.json', import.meta.url));
    const sent: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
    await aws('register-task-definition', '--cli-input-json', `file://${file}`);
    const { taskDefinition } = await aws('describe-task-definition', '--task-definition', 'web-api');
    const described = Object(taskDefinition);
    for (const [name, value] of Object.entries(sent)) expect(described[name], name).toEqual(value);
    const added = Object.keys(described).filter((name) => !(name in sent));
    expect(added.toSorted()).toEqual([
      'compatibilities',
      'registeredAt',
      'registeredBy',
      'requiresAttributes',
      'revision',
      'status',
      'taskDefinitionArn',
    ]);
  });

  test('runs a service and waits until it is stable', async () => {
    await aws(
      'register-task-definition',
      '--family',
      named('cli'),
      '--container-definitions',
      '[{"name":"main","image":"busybox","memory":16}]',
    );
    await aws(
      'create-service',
      '--service-name',
      named('cli'),
      '--task-definition',
      named('cli'),
      '--desired-count',
      '2',
    );
    await aws('wait', 'services-stable', '--services', named('cli'));
    const { taskArns } = await aws('list-tasks', '--service-name', named('cli'));
    expect(taskArns).toHaveLength(2);
    const [task = ''] = Array.isArray(taskArns) ? taskArns.map(String) : [];
    const inCluster = ['--cluster', 'default', '--tasks', task];
    const { protectedTasks } = await aws('update-task-protection', ...inCluster, '--protection-enabled');
    expect(protectedTasks).toMatchObject([{ taskArn: task, protectionEnabled: true }]);
    expect(await aws('get-task-protection', ...inCluster)).toEqual({ protectedTasks, failures: [] });
    await aws('update-task-protection', ...inCluster, '--no-protection-enabled');
    await aws('update-service', '--service', named('cli'), '--desired-count', '0');
    const { service } = await aws('delete-service', '--service', named('cli'));
    expect(service).toMatchObject({ status: 'DRAINING' });
  });

  test('runs a task with overrides, and says why one cannot run', async () => {
    await aws(
      'register-task-definition',
      '--family',
      'huge',
      '--container-definitions',
      '[{"name":"main","image":"busybox","memory":999999}]',
    );
    const { tasks, failures } = await aws('run-task', '--task-definition', 'huge');
    expect(tasks).toEqual([]);
    expect(failures).toMatchObject([{ reason: 'RESOURCE:MEMORY' }, { reason: 'RESOURCE:MEMORY' }]);
  });

  test('makes a capacity provider, gives it to a cluster, and takes it back', async () => {
    const name = named('cli-group');
    const group = `autoScalingGroupArn=arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:0:autoScalingGroupName/${name}`;
    const { capacityProvider } = await aws(
      'create-capacity-provider',
      '--name',
      name,
      '--auto-scaling-group-provider',
      `${group},managedScaling={status=ENABLED,targetCapacity=90}`,
    );
    expect(capacityProvider).toMatchObject({
      name,
      autoScalingGroupProvider: { managedScaling: { status: 'ENABLED', targetCapacity: 90 } },
    });
    const cluster = named('cli-capacity');
    await aws('create-cluster', '--cluster-name', cluster, '--capacity-providers', name);
    const put = (...settings: string[]) => aws('put-cluster-capacity-providers', '--cluster', cluster, ...settings);
    const strategy = `capacityProvider=${name},weight=1,base=1`;
    await put('--capacity-providers', name, '--default-capacity-provider-strategy', strategy);
    const { clusters } = await aws('describe-clusters', '--clusters', cluster);
    expect(clusters).toMatchObject([
      {
        capacityProviders: [name],
        defaultCapacityProviderStrategy: [{ capacityProvider: name, weight: 1, base: 1 }],
      },
    ]);
    await expect(aws('delete-capacity-provider', '--capacity-provider', name)).rejects.toThrow(
      `The capacity provider cannot be deleted because it is associated with cluster: ${cluster}.`,
    );
    await put('--cli-input-json', '{"capacityProviders":[],"defaultCapacityProviderStrategy":[]}');
    const deleted = await aws('delete-capacity-provider', '--capacity-provider', name);
    expect(deleted['capacityProvider']).toMatchObject({ status: 'INACTIVE' });
    const described = await aws('describe-capacity-providers', '--capacity-providers', name, 'FARGATE');
    expect(described).toMatchObject({ capacityProviders: [{ name: 'FARGATE' }], failures: [{ reason: 'MISSING' }] });
  });

  test('prints errors by ECS’s names', async () => {
    await expect(aws('describe-task-definition', '--task-definition', 'nothing')).rejects.toThrow(
      'An error occurred (ClientException) when calling the DescribeTaskDefinition operation: Unable to describe task definition.',
    );
    await expect(aws('list-services', '--cluster', 'nowhere')).rejects.toThrow(
      'An error occurred (ClusterNotFoundException) when calling the ListServices operation: Cluster not found.',
    );
  });
});
