import { describe, expect, test } from 'vitest';
import type { EngineStats } from '#agent/stats/engine-stats.ts';
import { withContainer } from '#agent/tasks/agent-task.ts';
import { someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { aRunningTask, engineIdAt, idOf, observationsOf, openEndpoints } from './local-endpoints-world.ts';

const task = aRunningTask({
  containers: [
    {
      name: 'app',
      cpu: 128,
      memory: 64,
      healthCheck: { command: ['CMD', 'true'] },
      logConfiguration: { logDriver: 'json-file', options: { 'max-size': '1m' } },
      restartPolicy: { enabled: true },
    },
    { name: 'side', memoryReservation: 32 },
  ],
  definition: { cpu: '512', memory: '1 GB' },
});
const observations = observationsOf(task);
const app = idOf(someTaskArn, 'app');

describe('a container in version 4', () => {
  test('is shown with all that is known of it', async () => {
    const { json } = openEndpoints({ tasks: [task], observations });
    expect(await json(`/v4/${app}`)).toEqual({
      DockerId: engineIdAt(0),
      Name: 'app',
      DockerName: task.containers[0]?.engineName,
      Image: 'berth-test:busybox',
      ImageID: 'sha256:image',
      Ports: [{ ContainerPort: 80, Protocol: 'tcp', HostPort: 32_768, HostIp: '0.0.0.0' }],
      Labels: { a: 'label' },
      DesiredStatus: 'RUNNING',
      KnownStatus: 'RUNNING',
      Limits: { CPU: 128, Memory: 64 },
      CreatedAt: '2026-01-01T00:00:00.000Z',
      StartedAt: '2026-01-01T00:00:01.000Z',
      Type: 'NORMAL',
      Networks: [
        {
          NetworkMode: 'bridge',
          IPv4Addresses: ['172.17.0.2'],
          MACAddress: '02:42:ac:11:00:02',
          IPv4SubnetCIDRBlock: '172.17.0.0/16',
          SubnetGatewayIpv4Address: '172.17.0.1/16',
        },
      ],
      Health: { status: 'UNKNOWN', exitCode: 0, output: 'fine' },
      Volumes: [{ DockerName: 'data', Source: '/var/lib/docker/volumes/data/_data', Destination: '/data' }],
      LogDriver: 'json-file',
      LogOptions: { 'max-size': '1m' },
      ContainerARN: `${someTaskArn}/app`,
      RestartCount: 0,
    });
  });

  test('that has ended is shown with its end', async () => {
    const ended = withContainer(task, 'app', (container) => ({
      ...container,
      phase: {
        name: 'STOPPED',
        engineId: engineIdAt(0),
        stoppedAt: 1_767_225_602_000,
        exitCode: 3,
        health: 'UNKNOWN',
        networkBindings: [],
      },
    }));
    const { json } = openEndpoints({ tasks: [{ ...ended, stop: { stopCode: 'UserInitiated', reason: 'enough' } }] });
    expect(await json(`/v4/${app}`)).toMatchObject({
      DesiredStatus: 'STOPPED',
      KnownStatus: 'STOPPED',
      ExitCode: 3,
      FinishedAt: '2026-01-01T00:00:02.000Z',
    });
  });

  test('is shown without what only the engine knows when the engine is not to be asked', async () => {
    const { json, engineIsGone } = openEndpoints({ tasks: [task], observations });
    engineIsGone();
    const shown = await json(`/v4/${app}`);
    expect(shown).toMatchObject({ DockerId: engineIdAt(0), ImageID: '', Networks: [{ IPv4Addresses: [] }] });
    expect(shown).not.toHaveProperty('Labels');
  });

  test('with the network of its pause container is shown with its address', async () => {
    const pinned = aRunningTask({
      definition: { networkMode: 'awsvpc' },
    });
    const seen = observationsOf(pinned);
    const { addresses: _own, ...withoutAddress } = seen[pinned.containers[0]?.engineName ?? ''] ?? expect.fail();
    seen[pinned.containers[0]?.engineName ?? ''] = withoutAddress;
    const { json } = openEndpoints({ tasks: [pinned], observations: seen });
    expect(await json(`/v4/${app}/task`)).toMatchObject({
      Containers: [
        { Networks: [{ NetworkMode: 'awsvpc', IPv4Addresses: ['172.17.0.3'], AttachmentIndex: 0 }] },
        { Type: 'CNI_PAUSE', KnownStatus: 'RESOURCES_PROVISIONED' },
      ],
    });
  });
});

describe('a task', () => {
  test('is shown in version 4 with its containers', async () => {
    const { json } = openEndpoints({ tasks: [task], observations });
    expect(await json(`/v4/${app}/task`)).toMatchObject({
      Cluster: 'default',
      TaskARN: someTaskArn,
      Family: 'web',
      Revision: '3',
      DesiredStatus: 'RUNNING',
      KnownStatus: 'RUNNING',
      Limits: { CPU: 0.5, Memory: 1024 },
      AvailabilityZone: 'local',
      LaunchType: 'EC2',
      FaultInjectionEnabled: false,
      Containers: [{ Name: 'app' }, { Name: 'side', Limits: { CPU: 0, Memory: 32 } }],
    });
  });

  test('is as far as the container that is least far', async () => {
    const pulled = withContainer(task, 'side', (container) => ({ ...container, phase: { name: 'PULLED' } }));
    const { json } = openEndpoints({ tasks: [pulled], observations });
    expect(await json(`/v4/${app}/task`)).toMatchObject({ KnownStatus: 'PULLED' });
  });

  test('with tags says that they are not known here', async () => {
    const { json } = openEndpoints({ tasks: [task], observations });
    expect(await json(`/v4/${app}/taskWithTags`)).toMatchObject({
      TaskARN: someTaskArn,
      Errors: [{ ErrorField: 'TaskTags' }, { ErrorField: 'ContainerInstanceTags' }],
    });
  });

  test('in version 3 lacks what version 4 has added', async () => {
    const { json } = openEndpoints({ tasks: [task], observations });
    const shown = await json(`/v3/${app}/task`);
    expect(shown).not.toHaveProperty('LaunchType');
    expect(shown).not.toHaveProperty('Containers[0].ContainerARN');
    expect(shown).toHaveProperty('Containers[0].Networks', [{ NetworkMode: 'bridge', IPv4Addresses: ['172.17.0.2'] }]);
  });

  test('in version 2 is that of the caller', async () => {
    const { json, ask } = openEndpoints({ tasks: [task], observations });
    expect(await json('/v2/metadata', { peer: '172.17.0.3' })).toMatchObject({ TaskARN: someTaskArn });
    expect(await json(`/v2/metadata/${engineIdAt(1)}`, { peer: '172.17.0.3' })).toMatchObject({ Name: 'side' });
    expect(await ask('/v2/metadata/elsewhere', { peer: '172.17.0.3' })).toMatchObject({ status: 404 });
    expect(await ask('/v2/metadata', { peer: '172.17.0.77' })).toMatchObject({ status: 400 });
  });
});

describe('figures', () => {
  const figures: Pick<EngineStats, 'id' | 'name'> = { id: engineIdAt(0), name: '/app' };
  const stats = {
    latest: (_: string, name: string) => (name === 'app' ? (figures as EngineStats) : undefined),
  };

  test('are those of the container, of the task by engine id, and null before the first', async () => {
    const { json } = openEndpoints({ tasks: [task], observations, stats });
    expect(await json(`/v4/${app}/stats`)).toEqual(figures);
    expect(await json(`/v4/${app}/task/stats`)).toEqual({ [engineIdAt(0)]: figures, [engineIdAt(1)]: null });
    expect(await json(`/v2/stats`, { peer: '172.17.0.2' })).toHaveProperty([engineIdAt(0)]);
    expect(await json(`/v2/stats/${engineIdAt(1)}`, { peer: '172.17.0.2' })).toBeNull();
  });

  test('are null when nobody collects them', async () => {
    const { json } = openEndpoints({ tasks: [task], observations });
    expect(await json(`/v3/${app}/stats`)).toBeNull();
  });
});

test.each([
  ['/v4/unknown', 404],
  ['/v4/unknown/task', 404],
  ['/v3/unknown', 404],
  [`/v4/${app}/associations/elastic-inference`, 404],
  [`/v4/${app}/associations/elastic-inference/one`, 404],
  [`/v4/${app}/nothing`, 404],
  ['/elsewhere', 404],
])('%s is %i, in a JSON string', async (path, status) => {
  const { ask } = openEndpoints({ tasks: [task], observations });
  expect(await ask(path)).toEqual({ status, json: expect.any(String) });
});

test('another method is refused, and a slash at the end means nothing', async () => {
  const { ask } = openEndpoints({ tasks: [task], observations });
  expect(await ask(`/v4/${app}`, { method: 'DELETE' })).toMatchObject({ status: 405 });
  expect(await ask(`/v4/${app}/`)).toMatchObject({ status: 200 });
});

test('the engine is asked about a container at most once a second', async () => {
  const { ask, inspections, clock } = openEndpoints({ tasks: [task], observations });
  for (let round = 0; round < 10; round += 1) await ask(`/v4/${app}/task`);
  expect(inspections()).toBe(2);
  await clock.advance(1000);
  await ask(`/v4/${app}/task`);
  expect(inspections()).toBe(4);
});
