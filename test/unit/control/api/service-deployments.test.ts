/** The history of services through the API, with the reconciler's looks between the calls. */
import { describe, expect, test } from 'vitest';
import { reap } from '#control/reconciler/reaper.ts';
import { saveService } from '#control/reconciler/save-service.ts';
import { apiWorld, type Json } from './api-world.ts';
import { History, serviceArn } from './service-history.ts';

const breaker = { deploymentCircuitBreaker: { enable: true, rollback: true } };
const digest = `sha256:${'a'.repeat(64)}`;

describe('a service deployment', () => {
  test('goes from PENDING over IN_PROGRESS to SUCCESSFUL with its deployment', async () => {
    const history = new History(await apiWorld());
    await history.world.definition();
    await history.world.instance();
    await history.world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 1 });
    const [pending] = await history.list();
    expect(pending).toMatchObject({ status: 'PENDING', serviceArn });
    expect(pending).not.toHaveProperty('startedAt');
    await history.look();
    expect(await history.newest()).toMatchObject({
      status: 'IN_PROGRESS',
      statusReason: expect.stringContaining('Waiting: tasks to start.'),
      sourceServiceRevisions: [],
      targetServiceRevision: { requestedTaskCount: 1, runningTaskCount: 0, pendingTaskCount: 1 },
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 },
      deploymentCircuitBreaker: { status: 'DISABLED', failureCount: 0, threshold: 3 },
    });
    await history.runAll();
    await history.look();
    const done = await history.newest();
    expect(done).toMatchObject({
      status: 'SUCCESSFUL',
      targetServiceRevision: { requestedTaskCount: 1, runningTaskCount: 1, pendingTaskCount: 0 },
    });
    expect(done['finishedAt']).toBeDefined();
    expect(done['serviceDeploymentArn']).toMatch(/:service-deployment\/default\/web\/\d{19}$/);
    expect(done['targetServiceRevision']?.['arn']).toMatch(/:service-revision\/default\/web\/\d{19}$/);
  });

  test('names the revision that it replaces, and DescribeServices the current ones', async () => {
    const history = await History.steady();
    const [{ targetServiceRevisionArn: before } = {} as Json] = await history.list();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    const newest = await history.newest();
    expect(newest['sourceServiceRevisions']).toEqual([
      { arn: before, requestedTaskCount: 0, runningTaskCount: 1, pendingTaskCount: 0 },
    ]);
    const service = await history.service();
    expect(service).toMatchObject({
      currentServiceDeployment: newest['serviceDeploymentArn'],
      currentServiceRevisions: [
        { requestedTaskCount: 1, runningTaskCount: 0, pendingTaskCount: 1 },
        { arn: before, requestedTaskCount: 0, runningTaskCount: 1 },
      ],
    });
  });

  test('leaves lost tasks out of the count of a revision', async () => {
    const history = await History.steady();
    const [task] = await history.tasks();
    await history.world.report(task?.taskArn ?? '', { lostAt: history.world.clock.now() });
    expect(await history.newest()).toMatchObject({
      targetServiceRevision: { requestedTaskCount: 1, runningTaskCount: 0, pendingTaskCount: 0 },
    });
  });

  test('that is overtaken is STOPPED', async () => {
    const history = await History.steady();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    await history.world.call('UpdateService', { service: 'web', forceNewDeployment: true });
    const [, overtaken] = await history.list();
    expect(overtaken).toMatchObject({ status: 'STOPPED', statusReason: expect.stringContaining('Superseded by') });
    await history.settle();
    expect((await history.list()).map(({ status }) => status)).toEqual(['SUCCESSFUL', 'STOPPED', 'SUCCESSFUL']);
  });

  test('of a service that is deleted meanwhile is STOPPED', async () => {
    const history = await History.steady();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    await history.world.call('DeleteService', { service: 'web', force: true });
    await history.settle();
    expect((await history.list()).map(({ status }) => status)).toEqual(['STOPPED', 'SUCCESSFUL']);
  });

  test('whose circuit breaker trips is rolled back, and says to what', async () => {
    const history = await History.steady({ deploymentConfiguration: breaker });
    const [{ targetServiceRevisionArn: good } = {} as Json] = await history.list();
    const [task] = await history.tasks();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    expect((await history.newest())['deploymentCircuitBreaker']).toMatchObject({ status: 'MONITORING', threshold: 3 });
    await history.failUntilItTrips();
    const failed = await history.newest();
    expect(failed).toMatchObject({
      status: 'ROLLBACK_IN_PROGRESS',
      deploymentCircuitBreaker: { status: 'TRIGGERED', failureCount: 3, threshold: 3 },
      rollback: {
        reason: expect.stringContaining('Last failure: CannotStartContainerError: no such file.'),
        serviceRevisionArn: good,
      },
    });
    const { deployments } = (await history.service()) ?? ({} as Json);
    expect(deployments).toMatchObject([{ rolloutState: 'IN_PROGRESS' }, { status: 'ACTIVE', rolloutState: 'FAILED' }]);
    await history.look();
    expect(await history.newest()).toMatchObject({ status: 'ROLLBACK_SUCCESSFUL' });
    expect((await history.newest())['finishedAt']).toBeDefined();
    await history.settle();
    expect((await history.list()).map(({ status }) => status)).toEqual(['ROLLBACK_SUCCESSFUL', 'SUCCESSFUL']);
    expect((await history.tasks()).map(({ taskArn }) => taskArn)).toEqual([task?.taskArn]);
    expect(await history.service()).toMatchObject({ taskDefinition: expect.stringMatching(/web:1$/) });
  });

  test('whose way back is overtaken ends as ROLLBACK_FAILED', async () => {
    const history = await History.steady({ deploymentConfiguration: breaker });
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.failUntilItTrips();
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    expect((await history.list()).map(({ status }) => status)).toEqual(['PENDING', 'ROLLBACK_FAILED', 'SUCCESSFUL']);
  });

  test('that fails without rollback is STOPPED', async () => {
    const deploymentConfiguration = { deploymentCircuitBreaker: { enable: true, rollback: false } };
    const history = await History.steady({ deploymentConfiguration });
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.failUntilItTrips();
    expect(await history.newest()).toMatchObject({
      status: 'STOPPED',
      deploymentCircuitBreaker: { status: 'TRIGGERED', failureCount: 3 },
    });
  });
});

describe('ListServiceDeployments', () => {
  test('is newest first, 20 at a time unless asked otherwise, by status and time', async () => {
    const history = await History.steady();
    const { world } = history;
    for (let count = 0; count < 24; count += 1) {
      await world.clock.advance(1000);
      await world.call('UpdateService', { service: 'web', forceNewDeployment: true });
    }
    const first = await world.call('ListServiceDeployments', { service: serviceArn });
    expect(first['serviceDeployments']).toHaveLength(20);
    const second = await world.call('ListServiceDeployments', { service: serviceArn, nextToken: first['nextToken'] });
    expect(second['serviceDeployments']).toHaveLength(5);
    expect(second).not.toHaveProperty('nextToken');
    const all = await history.list({ maxResults: 100 });
    const times = all.map(({ createdAt }) => Number(createdAt));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect((await history.list({ status: ['PENDING'] })).map(({ status }) => status)).toEqual(['PENDING']);
    const [after, before] = [times[10] ?? 0, times[7] ?? 0];
    expect(await history.list({ createdAt: { after, before } })).toEqual(all.slice(8, 10));
    expect((await world.refusal('ListServiceDeployments', { service: 'web', maxResults: 101 })).type).toBe(
      'InvalidParameterException',
    );
  });

  test('of a service that is not there is an error', async () => {
    const { world } = await History.steady();
    expect((await world.refusal('ListServiceDeployments', { service: 'nobody' })).type).toBe(
      'ServiceNotFoundException',
    );
  });
});

describe('describing', () => {
  test('tells unknown ones as failures, takes at most 20, and refuses what is no such ARN', async () => {
    const { world } = await History.steady();
    const unknown = serviceArn.replace(':service/', ':service-deployment/');
    const arns = (count: number) => Array.from({ length: count }, (_, index) => `${unknown}/${index}`);
    expect(await world.call('DescribeServiceDeployments', { serviceDeploymentArns: arns(1) })).toEqual({
      serviceDeployments: [],
      failures: [{ arn: `${unknown}/0`, reason: 'MISSING' }],
    });
    const tooMany = await world.refusal('DescribeServiceDeployments', { serviceDeploymentArns: arns(21) });
    expect(tooMany.type).toBe('InvalidParameterException');
    const wrong = await world.refusal('DescribeServiceRevisions', { serviceRevisionArns: arns(1) });
    expect(wrong.message).toContain('service-revision/<cluster>/<service>/<number>');
  });

  test('a revision is what the service was, with the digests its tasks found', async () => {
    const history = await History.steady({ healthCheckGracePeriodSeconds: 5 });
    const { world } = history;
    const [{ targetServiceRevisionArn: arn } = {} as Json] = await history.list();
    const revision = async () =>
      (await world.call('DescribeServiceRevisions', { serviceRevisionArns: [arn] }))['serviceRevisions']?.[0];
    expect(await revision()).toMatchObject({
      serviceRevisionArn: arn,
      serviceArn,
      clusterArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default',
      taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      launchType: 'EC2',
      containerImages: [{ containerName: 'main', image: 'busybox' }],
    });
    const before = await revision();
    await world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    expect(await revision()).toEqual(before);
  });

  test('a revision learns the digest in the transaction that pins it', async () => {
    const history = await History.steady();
    const { world } = history;
    await world.store.write(async (tx) => {
      const service = await tx.services.get('default', 'web');
      if (service === undefined) throw new Error('no service');
      const deployments = service.deployments.map((each) => ({ ...each, pinnedImages: { main: digest } }));
      await saveService(tx, { before: service, after: { ...service, deployments }, now: world.clock.now() });
    });
    const [{ targetServiceRevisionArn: arn } = {} as Json] = await history.list();
    const answer = await world.call('DescribeServiceRevisions', { serviceRevisionArns: [arn] });
    expect(answer['serviceRevisions']?.[0]).toMatchObject({
      containerImages: [{ containerName: 'main', image: 'busybox', imageDigest: digest }],
    });
  });
});

describe('StopServiceDeployment', () => {
  async function rollingOut(settings: object = {}): Promise<{ history: History; serviceDeploymentArn: Json }> {
    const history = await History.steady(settings);
    await history.world.call('UpdateService', { service: 'web', taskDefinition: 'web:2' });
    await history.look();
    const { serviceDeploymentArn } = await history.newest();
    if (serviceDeploymentArn === undefined) throw new Error('no ARN');
    return { history, serviceDeploymentArn };
  }

  test('ROLLBACK goes back although the circuit breaker is off, and the old task is untouched', async () => {
    const { history, serviceDeploymentArn } = await rollingOut();
    const [old] = (await history.tasks()).filter(({ lastStatus }) => lastStatus === 'RUNNING');
    expect(await history.world.call('StopServiceDeployment', { serviceDeploymentArn })).toEqual({
      serviceDeploymentArn,
    });
    expect((await history.newest())['status']).toBe('ROLLBACK_REQUESTED');
    await history.world.call('StopServiceDeployment', { serviceDeploymentArn, stopType: 'ROLLBACK' });
    await history.look();
    expect(await history.newest()).toMatchObject({
      status: 'ROLLBACK_IN_PROGRESS',
      statusReason: expect.stringContaining('was stopped by a user. Rolling back'),
      deploymentCircuitBreaker: { status: 'DISABLED' },
    });
    await history.settle();
    const done = await history.newest();
    expect(done).toMatchObject({ status: 'ROLLBACK_SUCCESSFUL' });
    expect(done['stoppedAt']).toBeDefined();
    expect((await history.tasks()).map(({ taskArn }) => taskArn)).toEqual([old?.taskArn]);
  });

  test('ABORT leaves things as they are and launches no more', async () => {
    const { history, serviceDeploymentArn } = await rollingOut({ deploymentConfiguration: breaker });
    await history.world.call('StopServiceDeployment', { serviceDeploymentArn, stopType: 'ABORT' });
    expect((await history.newest())['status']).toBe('STOP_REQUESTED');
    await history.look();
    expect(await history.newest()).toMatchObject({
      status: 'STOPPED',
      statusReason: expect.stringContaining('stopped by a user'),
    });
    await history.failAll();
    await history.settle();
    expect(await history.pending()).toEqual([]);
    expect((await history.service())?.['deployments']?.[0]).toMatchObject({
      status: 'PRIMARY',
      rolloutState: 'FAILED',
    });
  });

  test.each([['of one that has ended', 'it is SUCCESSFUL', async (history: History) => (await history.list())[0]]])(
    '%s is a conflict',
    async (_, words, which) => {
      const history = await History.steady();
      const serviceDeploymentArn = (await which(history))?.['serviceDeploymentArn'];
      expect(await history.world.refusal('StopServiceDeployment', { serviceDeploymentArn })).toEqual({
        type: 'ConflictException',
        message: `The service deployment cannot be stopped, because ${words}.`,
      });
    },
  );

  test('asked twice in different ways, or while it is taken back, is a conflict', async () => {
    const { history, serviceDeploymentArn } = await rollingOut();
    await history.world.call('StopServiceDeployment', { serviceDeploymentArn });
    const other = { serviceDeploymentArn, stopType: 'ABORT' };
    expect((await history.world.refusal('StopServiceDeployment', other)).type).toBe('ConflictException');
    await history.look();
    expect((await history.world.refusal('StopServiceDeployment', { serviceDeploymentArn })).message).toContain(
      'it is being rolled back',
    );
  });

  test('ROLLBACK with nothing to go back to is a conflict', async () => {
    const history = new History(await apiWorld());
    await history.world.definition();
    await history.world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 1 });
    const serviceDeploymentArn = (await history.list())[0]?.['serviceDeploymentArn'];
    const refusal = await history.world.refusal('StopServiceDeployment', { serviceDeploymentArn });
    expect(refusal).toMatchObject({ type: 'ConflictException', message: expect.stringContaining('ABORT') });
    await history.world.call('StopServiceDeployment', { serviceDeploymentArn, stopType: 'ABORT' });
    await history.look();
    expect((await history.newest())['status']).toBe('STOPPED');
  });

  test('of an unknown one is ServiceDeploymentNotFoundException', async () => {
    const { world } = await History.steady();
    const serviceDeploymentArn = `${serviceArn.replace(':service/', ':service-deployment/')}/1`;
    for (const operation of ['StopServiceDeployment', 'ContinueServiceDeployment']) {
      const refusal = await world.refusal(operation, {
        serviceDeploymentArn,
        ...(operation === 'ContinueServiceDeployment' ? { hookId: 'h' } : {}),
      });
      expect(refusal.type).toBe('ServiceDeploymentNotFoundException');
    }
  });
});

test('ContinueServiceDeployment says that rolling deployments have no hooks', async () => {
  const history = await History.steady();
  const serviceDeploymentArn = (await history.list())[0]?.['serviceDeploymentArn'];
  const refusal = await history.world.refusal('ContinueServiceDeployment', { serviceDeploymentArn, hookId: 'h-1' });
  expect(refusal).toEqual({
    type: 'InvalidParameterException',
    message: 'The service deployment has no lifecycle hook h-1 that awaits an action: rolling deployments have none.',
  });
});

describe('the history of a service', () => {
  const retention = { stoppedTaskRetentionMs: 60_000 };

  test('keeps the newest 100, and the revisions that they and the service name', async () => {
    const history = await History.steady();
    const { world } = history;
    const [{ serviceDeploymentArn: oldest, targetServiceRevisionArn: running } = {} as Json] = await history.list();
    for (let count = 0; count < 104; count += 1) {
      await world.clock.advance(1000);
      await world.call('UpdateService', { service: 'web', forceNewDeployment: true });
    }
    await reap({ ...world, ...retention });
    const kept = await history.list({ maxResults: 100 });
    expect(kept).toHaveLength(100);
    const { failures } = await world.call('DescribeServiceDeployments', { serviceDeploymentArns: [oldest] });
    expect(failures).toHaveLength(1);
    const revisions = await world.store.read((tx) => tx.serviceRevisions.all(serviceArn));
    expect(revisions.map(({ serviceRevisionArn }) => serviceRevisionArn)).toContain(running);
  });

  test('goes with the service', async () => {
    const history = await History.steady();
    const { world } = history;
    await world.call('DeleteService', { service: 'web', force: true });
    await history.settle();
    await world.clock.advance(120_000);
    await reap({ ...world, ...retention });
    expect(await world.store.read((tx) => tx.services.get('default', 'web'))).toBeUndefined();
    expect(await world.store.read((tx) => tx.serviceRevisions.all(serviceArn))).toEqual([]);
    const { items } = await world.store.read((tx) => tx.serviceDeployments.list({ serviceArn }, { limit: 10 }));
    expect(items).toEqual([]);
  });
});

describe('the tag berth:deployment-deadline', () => {
  const tags = (value: string) => [{ key: 'berth:deployment-deadline', value }];

  test.each(['90', '90s', '1h30m', '2h', '1d', 'never'])('may be %s', async (value) => {
    const { world } = await History.steady({ tags: tags(value) });
    await world.call('TagResource', { resourceArn: serviceArn, tags: tags(value) });
    const answer = await world.call('ListTagsForResource', { resourceArn: serviceArn });
    expect(answer['tags']).toEqual(tags(value));
  });

  test.each(['soon', '', '0s', '-1m', '1.5h'])('cannot be %j', async (value) => {
    const { world } = await History.steady();
    const message = expect.stringMatching(/berth:deployment-deadline of a service: expected .* or never, got '/);
    const other = { serviceName: 'other', taskDefinition: 'web', desiredCount: 1, tags: tags(value) };
    expect(await world.refusal('CreateService', other)).toMatchObject({ message });
    expect(await world.refusal('TagResource', { resourceArn: serviceArn, tags: tags(value) })).toMatchObject({
      message,
    });
  });
});
