import { expect, test } from 'vitest';
import { someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { aRunningTask, engineIdAt, observationsOf, openEndpoints } from './local-endpoints-world.ts';

const task = aRunningTask({ definition: { pidMode: 'task' } });
const { ask, json } = openEndpoints({ tasks: [task], observations: observationsOf(task) });

test('says what may be asked, and who it is', async () => {
  expect(await json('/')).toEqual({ AvailableCommands: ['/v1/metadata', '/v1/tasks', '/v1/images', '/license'] });
  expect(await json('/v1/metadata')).toEqual({
    Cluster: 'default',
    ContainerInstanceArn: null,
    Version: 'Berth Agent - v0.1.0',
  });
  expect(await json('/v1/images')).toEqual({
    Images: [
      { Image: 'web:1', State: 'HERE' },
      { Image: 'web:2', State: 'FAILED', Reason: 'no such image' },
    ],
  });
  expect(await ask('/license')).toMatchObject({ contentType: 'text/plain', text: expect.stringContaining('Apache') });
});

const shown = {
  Arn: someTaskArn,
  DesiredStatus: 'RUNNING',
  KnownStatus: 'RUNNING',
  Family: 'web',
  Version: '3',
  Containers: [
    {
      DockerId: engineIdAt(0),
      DockerName: task.containers[0]?.engineName,
      Name: 'app',
      Image: 'berth-test:busybox',
      ImageID: 'sha256:image',
      CreatedAt: '2026-01-01T00:00:00.000Z',
      StartedAt: '2026-01-01T00:00:01.000Z',
      Ports: [{ ContainerPort: 80, Protocol: 'tcp', HostPort: 32_768, HostIp: '0.0.0.0' }],
      Networks: [{ NetworkMode: 'bridge', IPv4Addresses: ['172.17.0.2'] }],
      Volumes: [{ DockerName: 'data', Source: '/var/lib/docker/volumes/data/_data', Destination: '/data' }],
    },
  ],
};

test('lists the tasks, without internal containers', async () => {
  expect(await json('/v1/tasks')).toEqual({ Tasks: [shown] });
});

test.each([`dockerid=${engineIdAt(0)}`, `dockerid=${engineIdAt(0).slice(0, 12)}`, `taskarn=${someTaskArn}`])(
  'finds a task by %s',
  async (query) => {
    expect(await json(`/v1/tasks?${query}`)).toEqual(shown);
  },
);

test('refuses two questions at once, and has an empty answer for what is not there', async () => {
  expect(await ask(`/v1/tasks?dockerid=${engineIdAt(0)}&taskarn=${someTaskArn}`)).toMatchObject({ status: 400 });
  for (const query of ['dockerid=ffffffffffff', 'dockerid=', 'taskarn=none']) {
    expect(await ask(`/v1/tasks?${query}`)).toEqual({ status: 404, json: {} });
  }
});
