/** Container instances and their attributes through the API. */
import { describe, expect, test } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import { apiWorld, type ApiWorld } from './api-world.ts';

async function resources(world: ApiWorld, arn: string): Promise<Record<string, unknown>> {
  const { containerInstances } = await world.call('DescribeContainerInstances', { containerInstances: [arn] });
  const remaining: { name: string; integerValue: number; stringSetValue?: string[] }[] = JSON.parse(
    JSON.stringify(containerInstances?.[0]?.['remainingResources']),
  );
  return Object.fromEntries(
    remaining.map((resource) => [resource.name, resource.stringSetValue ?? resource.integerValue]),
  );
}

describe('describing instances', () => {
  test('shows what their tasks leave free', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance({
      resources: { takenPorts: [{ port: 22, protocol: 'tcp' }] },
    });
    await world.definition('web', {
      containerDefinitions: [
        { name: 'main', image: 'x', cpu: 512, memory: 1024, portMappings: [{ containerPort: 80, hostPort: 8080 }] },
      ],
    });
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web' });
    expect(await resources(world, arn)).toEqual({ CPU: 1536, MEMORY: 3072, PORTS: ['22', '8080'], PORTS_UDP: [] });
    await world.report(tasks?.[0]?.['taskArn'], { lastStatus: 'RUNNING' });
    const { containerInstances } = await world.call('DescribeContainerInstances', { containerInstances: [arn] });
    expect(containerInstances?.[0]).toMatchObject({ runningTasksCount: 1, pendingTasksCount: 0, agentConnected: true });
    await world.report(tasks?.[0]?.['taskArn'], {
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stoppedAt: world.clock.now(),
    });
    expect(await resources(world, arn)).toEqual({ CPU: 2048, MEMORY: 4096, PORTS: ['22'], PORTS_UDP: [] });
  });

  test('takes ids and ARNs, includes on demand, and tells the missing', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance({ tags: [{ key: 'rack', value: '7' }] });
    const id = arn.split('/').at(-1);
    const plain = await world.call('DescribeContainerInstances', { containerInstances: [id, 'nothing'] });
    expect(plain['containerInstances']).toMatchObject([{ containerInstanceArn: arn, tags: [] }]);
    expect(plain['failures']).toMatchObject([{ reason: 'MISSING' }]);
    const full = await world.call('DescribeContainerInstances', {
      containerInstances: [id],
      include: ['TAGS', 'CONTAINER_INSTANCE_HEALTH'],
    });
    expect(full['containerInstances']?.[0]).toMatchObject({
      tags: [{ key: 'rack', value: '7' }],
      healthStatus: { overallStatus: 'OK' },
    });
  });

  test('shows each check of the health on its own, and whether the agent is there', async () => {
    const world = await apiWorld();
    const at = 1_700_000_000_000;
    const details = [
      { type: 'CONTAINER_RUNTIME', status: 'OK' as const, updatedAt: at, changedAt: at },
      { type: 'MEMORY_PRESSURE', status: 'IMPAIRED' as const, reason: 'too little', updatedAt: at, changedAt: at },
    ];
    const { containerInstanceArn } = await world.instance({
      agentConnected: true,
      agentConnectedChangedAt: at,
      health: { status: 'IMPAIRED', reason: 'too little', updatedAt: at, changedAt: at, details },
    });
    const answer = await world.call('DescribeContainerInstances', {
      containerInstances: [containerInstanceArn],
      include: ['CONTAINER_INSTANCE_HEALTH'],
    });
    const dates = { lastUpdated: at / 1000, lastStatusChange: at / 1000 };
    expect(answer['containerInstances']?.[0]?.['healthStatus']).toEqual({
      overallStatus: 'IMPAIRED',
      details: [
        { type: 'CONTAINER_RUNTIME', status: 'OK', ...dates },
        { type: 'MEMORY_PRESSURE', status: 'IMPAIRED', statusReason: 'too little', ...dates },
        { type: 'AGENT_CONNECTIVITY', status: 'OK', ...dates },
      ],
    });
  });
});

describe('listing instances', () => {
  test('goes by status and by the cluster query language', async () => {
    const world = await apiWorld();
    const plain = await world.instance();
    const gpu = await world.instance({ status: 'DRAINING', customAttributes: [{ name: 'gpu', value: 'yes' }] });
    await world.instance({ status: 'INACTIVE' });
    const list = async (filter: object) =>
      (await world.call('ListContainerInstances', filter))['containerInstanceArns'];
    expect(await list({})).toEqual([plain.containerInstanceArn, gpu.containerInstanceArn]);
    expect(await list({ status: 'DRAINING' })).toEqual([gpu.containerInstanceArn]);
    expect(await list({ filter: 'attribute:gpu == yes' })).toEqual([gpu.containerInstanceArn]);
    expect(await list({ filter: 'runningTasksCount == 0 and attribute:gpu !exists' })).toEqual([
      plain.containerInstanceArn,
    ]);
    expect((await world.refusal('ListContainerInstances', { filter: 'attribute:' })).type).toBe(
      'InvalidParameterException',
    );
  });
});

describe('draining', () => {
  test('stops service tasks that have not started and leaves the others', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance();
    await world.definition();
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web', count: 3 });
    const [pending, running, standalone] = [0, 1, 2].map((index) => String(tasks?.[index]?.['taskArn']));
    await world.report(pending, { serviceName: 'web' });
    await world.report(running, { serviceName: 'web', lastStatus: 'RUNNING' });
    const { containerInstances } = await world.call('UpdateContainerInstancesState', {
      containerInstances: [arn],
      status: 'DRAINING',
    });
    expect(containerInstances).toMatchObject([{ status: 'DRAINING' }]);
    const stopping = await world.call('ListTasks', { desiredStatus: 'STOPPED' });
    expect(stopping['taskArns']).toEqual([pending]);
    const left = (await world.call('ListTasks'))['taskArns'];
    expect(left).toHaveLength(2);
    expect(left).toEqual(expect.arrayContaining([running, standalone]));
    const { failures } = await world.call('RunTask', { taskDefinition: 'web' });
    expect(failures).toHaveLength(1);
    await world.call('UpdateContainerInstancesState', { containerInstances: [arn], status: 'ACTIVE' });
    expect((await world.call('RunTask', { taskDefinition: 'web' }))['failures']).toEqual([]);
  });

  test('says in statusReason what is left and why', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance();
    await world.definition();
    await world.call('RunTask', { taskDefinition: 'web' });
    const reason = async (): Promise<unknown> =>
      (await world.call('DescribeContainerInstances', { containerInstances: [arn] }))['containerInstances']?.[0]?.[
        'statusReason'
      ];
    expect(await reason()).toBeUndefined();
    await world.call('UpdateContainerInstancesState', { containerInstances: [arn], status: 'DRAINING' });
    expect(await reason()).toMatch(/^Draining: 1 task is left; task \w{12} belongs to no service and is waited for$/);
    const [task] = (await world.call('ListTasks'))['taskArns'] as unknown as string[];
    await world.report(task, { lastStatus: 'STOPPED', desiredStatus: 'STOPPED' });
    expect(await reason()).toBe('Draining is complete: no task is left');
    await world.call('UpdateContainerInstancesState', { containerInstances: [arn], status: 'ACTIVE' });
    expect(await reason()).toBeUndefined();
  });

  test('is dated, so that its deadline is counted from then and not from another draining', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance();
    const setStatus = (status: string) =>
      world.call('UpdateContainerInstancesState', { containerInstances: [arn], status });
    const since = async () => (await world.store.read((tx) => tx.containerInstances.get(arn)))?.drainingSince;
    await setStatus('DRAINING');
    const first = world.clock.now();
    expect(await since()).toBe(first);
    await world.clock.advance(1000);
    await setStatus('DRAINING');
    expect(await since()).toBe(first);
    await setStatus('ACTIVE');
    expect(await since()).toBeUndefined();
    await setStatus('DRAINING');
    expect(await since()).toBe(first + 1000);
  });

  test.each([
    ['berth:drain-deadline', 'tomorrow', 'expected a time from one second to a year'],
    ['berth:drain-standalone', 'kill', 'expected wait or stop'],
  ])('is refused a policy that cannot be: %s=%s', async (key, value, message) => {
    const world = await apiWorld();
    const { containerInstanceArn: resourceArn } = await world.instance();
    const refused = await world.refusal('TagResource', { resourceArn, tags: [{ key, value }] });
    expect(refused).toMatchObject({
      type: 'InvalidParameterException',
      message: expect.stringContaining(`The tag ${key} of a container-instance: ${message}`),
    });
  });

  test('stops no task that has not started while it is protected', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance();
    await world.definition();
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web' });
    const pending = String(tasks?.[0]?.['taskArn']);
    await world.report(pending, { serviceName: 'web', protectedUntil: world.clock.now() + 60_000 });
    await world.call('UpdateContainerInstancesState', { containerInstances: [arn], status: 'DRAINING' });
    expect((await world.call('ListTasks'))['taskArns']).toEqual([pending]);
  });

  test('refuses other statuses and tells what cannot change', async () => {
    const world = await apiWorld();
    const gone = await world.instance({ status: 'INACTIVE' });
    const refusal = await world.refusal('UpdateContainerInstancesState', {
      containerInstances: ['x'],
      status: 'REGISTERING',
    });
    expect(refusal.type).toBe('InvalidParameterException');
    const { failures } = await world.call('UpdateContainerInstancesState', {
      containerInstances: [gone.containerInstanceArn, 'nothing'],
      status: 'DRAINING',
    });
    expect(failures).toMatchObject([{ reason: 'MISSING' }, { reason: 'INACTIVE' }]);
  });
});

describe('deregistering', () => {
  test('needs an empty instance or force, which gives its tasks up', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance();
    await world.definition();
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web' });
    expect(await world.refusal('DeregisterContainerInstance', { containerInstance: arn })).toEqual({
      type: 'InvalidParameterException',
      message: 'Found running tasks on the instance.',
    });
    const { containerInstance } = await world.call('DeregisterContainerInstance', {
      containerInstance: arn,
      force: true,
    });
    expect(containerInstance).toMatchObject({ status: 'INACTIVE' });
    const described = await world.call('DescribeTasks', { tasks: [tasks?.[0]?.['taskArn']] });
    expect(described['tasks']?.[0]).toMatchObject({
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'Container instance deregistration forced by user',
    });
    expect((await world.call('ListContainerInstances'))['containerInstanceArns']).toEqual([]);
    expect((await world.refusal('DeregisterContainerInstance', { containerInstance: arn })).type).toBe(
      'InvalidParameterException',
    );
  });
});

describe('deregistering with force', () => {
  test('ends lost and protected tasks too, and the instance comes back no more under its name', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: arn } = await world.instance({ agentConnected: false });
    const now = world.clock.now();
    const lost = aTask({ containerInstanceArn: arn, serviceName: 'web', lostAt: now });
    const shielded = aTask({ containerInstanceArn: arn, serviceName: 'web', protectedUntil: now + 3_600_000 });
    await world.store.write((tx) => tx.tasks.putMany([lost, shielded]));
    await world.call('DeregisterContainerInstance', { containerInstance: arn, force: true });
    const { tasks } = await world.call('DescribeTasks', { tasks: [lost.taskArn, shielded.taskArn] });
    const ended = { lastStatus: 'STOPPED', stoppedReason: 'Container instance deregistration forced by user' };
    expect(tasks).toMatchObject([ended, ended]);
    expect(tasks?.[0]?.['attributes']).toEqual([]);
  });
});

describe('attributes', () => {
  test('are put, found by name and value, replaced and deleted', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: targetId } = await world.instance({
      agentAttributes: [{ name: 'ecs.os-type', value: 'linux' }],
    });
    const put = await world.call('PutAttributes', {
      attributes: [
        { name: 'stack', value: 'blue', targetId },
        { name: 'gpu', targetId },
      ],
    });
    expect(put['attributes']).toEqual([
      { name: 'stack', value: 'blue', targetId },
      { name: 'gpu', targetId },
    ]);
    await world.call('PutAttributes', { attributes: [{ name: 'stack', value: 'green', targetId }] });
    const list = async (filter: object) =>
      (await world.call('ListAttributes', { targetType: 'container-instance', ...filter }))['attributes'];
    expect(await list({})).toHaveLength(3);
    expect(await list({ attributeName: 'stack' })).toEqual([{ name: 'stack', value: 'green', targetId }]);
    expect(await list({ attributeName: 'stack', attributeValue: 'blue' })).toEqual([]);
    await world.call('DeleteAttributes', { attributes: [{ name: 'stack', targetId }] });
    expect(await list({ attributeName: 'stack' })).toEqual([]);
  });

  test('are refused when they are too many, reserved or without a target, and nothing changes', async () => {
    const world = await apiWorld();
    const { containerInstanceArn: targetId } = await world.instance();
    const attributes = Array.from({ length: 10 }, (_, index) => ({ name: `a${index}`, targetId }));
    await world.call('PutAttributes', { attributes });
    const put = async (attribute: object) => (await world.refusal('PutAttributes', { attributes: [attribute] })).type;
    expect(await put({ name: 'one-more', targetId })).toBe('AttributeLimitExceededException');
    expect(await put({ name: 'ecs.os-type', value: 'windows', targetId })).toBe('InvalidParameterException');
    expect(await put({ name: 'a' })).toBe('InvalidParameterException');
    expect(await put({ name: 'a', targetId: 'nothing' })).toBe('TargetNotFoundException');
    const { attributes: left } = await world.call('ListAttributes', { targetType: 'container-instance' });
    expect(left).toHaveLength(10);
  });
});
