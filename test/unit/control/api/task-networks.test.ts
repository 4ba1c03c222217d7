/** Tasks with networks of their own, and FARGATE, through the API: what is asked of the caller, placed, and shown. */
import { describe, expect, test } from 'vitest';
import { applyTaskState } from '#control/sessions/apply-task-state.ts';
import { aTaskState } from '#test/support/fake-agent.ts';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const networkConfiguration = {
  awsvpcConfiguration: { subnets: ['subnet-1', 'subnet-2'], securityGroups: ['sg-1'], assignPublicIp: 'ENABLED' },
};
const fargate = { networkMode: 'awsvpc', requiresCompatibilities: ['FARGATE'], cpu: '256', memory: '512' };
const able = ['ecs.capability.task-eni', 'com.amazonaws.ecs.capability.docker-remote-api.1.18'];
/** What task-level sizes ask of a host, besides. */
const sized = ['berth.capability.fargate', 'ecs.capability.task-cpu-mem-limit'];

async function worldWith(attributes: readonly string[]): Promise<ApiWorld> {
  const world = await apiWorld();
  await world.instance({ agentAttributes: attributes.map((name) => ({ name })) });
  await world.definition('vpc', { networkMode: 'awsvpc' });
  await world.definition('fargate', fargate);
  return world;
}

async function run(world: ApiWorld, taskDefinition: string, body: object = {}): Promise<Json> {
  return world.call('RunTask', { taskDefinition, networkConfiguration, ...body });
}

/** The first task, after its agent told its address or its end. */
async function reported(
  world: ApiWorld,
  task: Json | undefined,
  change: Partial<Parameters<typeof aTaskState>[0]>,
): Promise<Json | undefined> {
  const taskArn = String(task?.['taskArn']);
  await world.store.write(async (tx) => {
    const row = await tx.tasks.get(taskArn);
    if (row === undefined) throw new Error(`no task ${taskArn}`);
    const next = applyTaskState(row, aTaskState({ taskArn, number: row.stateChangeNumber + 1, ...change }), 5000);
    if (next !== undefined) await tx.tasks.put(next);
  });
  return (await world.call('DescribeTasks', { tasks: [taskArn] }))['tasks']?.['0'];
}

describe('the network interface of an awsvpc task', () => {
  test('has a name from the start, an address once the agent tells it, and is deleted with the task', async () => {
    const world = await worldWith(able);

    const before = (await run(world, 'vpc'))['tasks']?.['0'];
    const id = before?.['attachments']?.['0']?.['id'];
    const eni = before?.['attachments']?.['0']?.['details']?.['1']?.['value'];
    expect(eni).toMatch(/^eni-[0-9a-f]{17}$/);
    expect(before?.['attachments']).toEqual([
      {
        id,
        type: 'ElasticNetworkInterface',
        status: 'PRECREATED',
        details: [
          { name: 'subnetId', value: 'subnet-1' },
          { name: 'networkInterfaceId', value: eni },
        ],
      },
    ]);
    expect(before?.['containers']).toMatchObject([{ networkInterfaces: [] }]);

    const networkInterface = { privateIpv4Address: '10.88.0.2', macAddress: '02:42:0a:58:00:02' };
    const attached = await reported(world, before, { networkInterface });
    expect(attached?.['attachments']).toEqual([
      {
        id,
        type: 'ElasticNetworkInterface',
        status: 'ATTACHED',
        details: [
          { name: 'subnetId', value: 'subnet-1' },
          { name: 'networkInterfaceId', value: eni },
          { name: 'macAddress', value: '02:42:0a:58:00:02' },
          { name: 'privateIPv4Address', value: '10.88.0.2' },
        ],
      },
    ]);
    expect(attached?.['containers']).toMatchObject([
      { networkInterfaces: [{ attachmentId: id, privateIpv4Address: '10.88.0.2' }] },
    ]);

    const over = await reported(world, before, { lastStatus: 'STOPPED' });
    expect(over?.['attachments']).toMatchObject([{ status: 'DELETED' }]);
  });

  test('is had by no other task, whatever its agent says', async () => {
    const world = await worldWith(able);
    await world.definition('plain');
    const task = (await world.call('RunTask', { taskDefinition: 'plain' }))['tasks']?.['0'];
    const networkInterface = { privateIpv4Address: '10.88.0.2', macAddress: '02:42:0a:58:00:02' };
    expect((await reported(world, task, { networkInterface }))?.['attachments']).toEqual([]);
  });
});

describe('FARGATE', () => {
  test('goes to a machine that can, and shows its platform and storage', async () => {
    const world = await worldWith([...able, ...sized]);
    const { tasks, failures } = await run(world, 'fargate', { launchType: 'FARGATE', platformVersion: '1.4.0' });
    expect(failures).toEqual([]);
    expect(tasks).toMatchObject([
      {
        launchType: 'FARGATE',
        platformVersion: '1.4.0',
        platformFamily: 'Linux',
        cpu: '256',
        memory: '512',
        ephemeralStorage: { sizeInGiB: 20 },
      },
    ]);
  });

  test('shows the storage that the definition says', async () => {
    const world = await worldWith([...able, ...sized]);
    await world.definition('large', { ...fargate, ephemeralStorage: { sizeInGiB: 100 } });
    const { tasks } = await run(world, 'large', { launchType: 'FARGATE' });
    expect(tasks).toMatchObject([{ ephemeralStorage: { sizeInGiB: 100 } }]);
  });

  test('is refused by a machine that has no networks for tasks', async () => {
    const world = await worldWith([]);
    const { failures } = await run(world, 'fargate', { launchType: 'FARGATE' });
    expect(failures?.['0']?.['detail']).toContain('berth.capability.fargate');
  });

  test.each([
    ['of FARGATE that does not exist', 'fargate', 'FARGATE', '1.2.3', 'PlatformUnknownException'],
    ['of EC2', 'vpc', 'EC2', '1.4.0', 'InvalidParameterException'],
  ])(
    'refuses a platform version %s, of tasks and of services',
    async (_, taskDefinition, launchType, version, type) => {
      const world = await worldWith([...able, ...sized]);
      const asked = { taskDefinition, launchType, platformVersion: version, networkConfiguration };
      expect(await world.refusal('RunTask', asked)).toMatchObject({ type });
      expect(await world.refusal('CreateService', { serviceName: 's', desiredCount: 1, ...asked })).toMatchObject({
        type,
      });
    },
  );

  test('gives a service its platform and keeps its network configuration', async () => {
    const world = await worldWith([...able, ...sized]);
    const asked = {
      serviceName: 's',
      desiredCount: 1,
      taskDefinition: 'fargate',
      launchType: 'FARGATE',
      networkConfiguration,
    };
    expect((await world.call('CreateService', asked))['service']).toMatchObject({
      launchType: 'FARGATE',
      platformVersion: 'LATEST',
      platformFamily: 'Linux',
      networkConfiguration,
    });
  });
});
