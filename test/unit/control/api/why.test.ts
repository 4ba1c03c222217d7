/** Why, asked of a store: what is found by which name, and that a service is told what its next look would decide, without any of it being done. */
import { describe, expect, it } from 'vitest';
import { explainWhy } from '#control/api/why.ts';
import { defaultSchedulingRules } from '#control/deployments/snapshot.ts';
import { createExplainer } from '#control/reconciler/explainer.ts';
import { reconcileService } from '#control/reconciler/services.ts';
import { seededIds } from '#lib/ids.ts';
import { seededRandom } from '#lib/random.ts';
import { arnId, defaultRealm, taskArn as taskArnOf } from '#model/arn.ts';
import { freshProgress } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { whyAnswer, type WhyAnswer } from '#protocol/why.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService, type ServiceOverrides } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aTaskSet } from '#test/support/builders/a-task-set.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { apiWorld, type ApiWorld } from './api-world.ts';

const random = seededRandom(2);
const rules = defaultSchedulingRules;

async function why(world: ApiWorld, subject: string, cluster?: string): Promise<WhyAnswer> {
  const { store, clock } = world;
  const explainer = createExplainer({ store, clock, random, realm: defaultRealm, rules });
  const query = { subject, ...(cluster === undefined ? {} : { cluster }) };
  // As it goes over the wire, so that nothing is in it that the documented form has not.
  const answer: unknown = JSON.parse(JSON.stringify(await explainWhy(query, { explainer, realm: defaultRealm })));
  return whyAnswer.parse(answer);
}

function texts(answer: WhyAnswer, topic: string): string[] {
  return answer.findings.filter((finding) => finding.topic === topic).map(({ text }) => text);
}

/** A service of `web:1`, which needs 2048 MiB. */
async function worldWithService(overrides: ServiceOverrides = {}): Promise<{ world: ApiWorld; service: Service }> {
  const world = await apiWorld();
  const containerDefinitions = [aContainerDefinition({ cpu: 100, memory: 2048 })];
  const service = aService(overrides);
  await world.store.write(async (tx) => {
    await tx.taskDefinitions.put(aTaskDefinition({ body: { containerDefinitions } }));
    await tx.services.put(service);
  });
  return { world, service };
}

function look({ store, clock }: ApiWorld, { serviceArn }: Service): Promise<unknown> {
  const deps = { store, clock, random, ids: seededIds(random), realm: defaultRealm, rules, listeningSince: 0 };
  return reconcileService(deps, serviceArn);
}

describe('a service that cannot be placed', () => {
  it('names the missing resource and the nearest instance', async () => {
    const { world, service } = await worldWithService({ desiredCount: 3 });
    const big = await world.instance({ hostname: 'big', resources: { memoryMiB: 3904 } });
    await world.instance({ hostname: 'small', resources: { memoryMiB: 1024 } });
    await world.instance({ hostname: 'away', agentConnected: false });
    await look(world, service);
    const answer = await why(world, 'web');
    expect(answer.summary).toBe(
      'It waits for a container instance that meets the requirements of its tasks: 0 of 3 wanted tasks run. ' +
        `2 tasks find no place among 3 container instances; the nearest, big (${arnId(big.containerInstanceArn).slice(0, 12)}): ` +
        'needs 2048 MiB of memory, 1856 free of 3904; 1 task occupies 2048.',
    );
    expect(answer.placement).toMatchObject([
      {
        tasks: 2,
        instances: 3,
        fitting: 0,
        refusals: [
          { filter: 'agent', count: 1 },
          { filter: 'RESOURCE:MEMORY', count: 2 },
        ],
      },
    ]);
    expect(answer.placement?.[0]?.nearest.map(({ hostname }) => hostname)).toEqual(['big', 'small', 'away']);
    expect(texts(answer, 'waiting')).toEqual(['a container instance that meets the requirements of its tasks']);
    expect(answer.nextLookAt).toBe(world.clock.now() + 30_000);
    expect(answer.events?.[0]?.message).toContain('was unable to place a task');
  });

  it('in an empty cluster says that there is no instance', async () => {
    const { world } = await worldWithService();
    expect((await why(world, 'web')).summary).toContain('the cluster has no container instances');
  });

  it('is asked about without anything being done', async () => {
    const { world, service } = await worldWithService({ desiredCount: 3 });
    await world.instance();
    const before = await world.store.read((tx) => tx.services.get('default', 'web'));
    await why(world, service.serviceArn);
    expect(await world.store.read((tx) => tx.services.get('default', 'web'))).toEqual(before);
    expect(await world.store.read((tx) => tx.tasks.all({ clusterName: 'default' }))).toEqual([]);
  });
});

describe('a service', () => {
  it('that has what it wants says so', async () => {
    const { world, service } = await worldWithService();
    const deploymentId = service.deployments[0]?.id ?? '';
    const { containerInstanceArn } = await world.instance();
    await world.store.write((tx) => tx.tasks.put(aTask({ serviceName: 'web', deploymentId, containerInstanceArn })));
    const answer = await why(world, 'web');
    expect(answer.summary).toBe('It has what it wants: 1 of 1 wanted task run.');
    expect(answer).toMatchObject({ limits: { desired: 1, floor: 1, ceiling: 2 }, placement: [] });
  });

  it('whose percentages allow nothing tells the numbers and what would help', async () => {
    const [primary, old] = [aDeployment(), aDeployment({ status: 'ACTIVE', rolloutState: 'COMPLETED' })];
    const { world } = await worldWithService({
      desiredCount: 3,
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 125 },
      deployments: [primary, old],
    });
    const { containerInstanceArn } = await world.instance({ resources: { memoryMiB: 100_000 } });
    const running = Array.from({ length: 3 }, () =>
      aTask({ serviceName: 'web', deploymentId: old.id, containerInstanceArn }),
    );
    await world.store.write((tx) => tx.tasks.putMany(running));
    expect(texts(await why(world, 'web'), 'percentages')).toEqual([
      'neither a stop nor a start is allowed: minimumHealthyPercent 100 of 3 keeps 3 running, maximumPercent 125 allows 3, and 3 run; ' +
        'set maximumPercent to 134 or more, or minimumHealthyPercent to 66 or less',
    ]);
  });

  it('whose tasks fail tells the delay, the breaker and the last failure', async () => {
    const now = (await apiWorld()).clock.now();
    const deployment = aDeployment({
      failedTasks: 4,
      launchesHeldUntil: now + 8000,
      progress: { ...freshProgress, holds: 2 },
      desiredCount: 10,
    });
    const { world } = await worldWithService({
      desiredCount: 10,
      deployments: [deployment],
      deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: false } },
    });
    const failed = aTask({
      serviceName: 'web',
      deploymentId: deployment.id,
      lastStatus: 'STOPPED',
      stopCode: 'TaskFailedToStart',
      stoppedReason: 'CannotPullContainerError: no such image',
    });
    await world.store.write((tx) => tx.tasks.put(failed));
    const answer = await why(world, 'web');
    expect(answer.findings).toContainEqual({
      topic: 'delay',
      text: `${deployment.id} launches nothing for a while: 4 starts failed in a row`,
      until: now + 8000,
    });
    expect(texts(answer, 'breaker')).toEqual([`the circuit breaker of ${deployment.id} has counted 4 of 5 failures`]);
    expect(texts(answer, 'failure')[0]).toContain('CannotPullContainerError: no such image');
    expect(answer.deployments?.[0]).toMatchObject({
      launchesHeldUntil: now + 8000,
      breaker: { failures: 4, threshold: 5 },
    });
  });

  it('tells of protected, UNHEALTHY and draining tasks', async () => {
    const { world, service } = await worldWithService({ desiredCount: 3, healthCheckGracePeriodSeconds: 1000 });
    const deploymentId = service.deployments[0]?.id ?? '';
    const now = world.clock.now();
    const { containerInstanceArn } = await world.instance({ status: 'DRAINING' });
    const tasks = [
      aTask({ serviceName: 'web', deploymentId, protectedUntil: now + 60_000 }),
      aTask({ serviceName: 'web', deploymentId, healthStatus: 'UNHEALTHY', startedAt: now }),
      aTask({ serviceName: 'web', deploymentId, containerInstanceArn }),
    ];
    await world.store.write((tx) => tx.tasks.putMany(tasks));
    const answer = await why(world, 'web');
    expect(texts(answer, 'protection')[0]).toContain('1 task protected');
    expect(texts(answer, 'health')).toEqual(['1 task UNHEALTHY, 1 of them within the grace period']);
    expect(texts(answer, 'drain')).toEqual(['1 task on DRAINING container instances to be replaced']);
  });

  it('tells of tasks on silent instances, and when they are replaced', async () => {
    const { world, service } = await worldWithService({ desiredCount: 2 });
    const deploymentId = service.deployments[0]?.id ?? '';
    const since = world.clock.now();
    const { containerInstanceArn } = await world.instance({ agentConnected: false, agentConnectedChangedAt: since });
    const here = { serviceName: 'web', deploymentId, containerInstanceArn };
    await world.store.write((tx) => tx.tasks.putMany([aTask(here), aTask({ ...here, lostAt: since })]));
    const answer = await why(world, 'web');
    expect(answer.findings).toContainEqual({
      topic: 'agent',
      text: '1 task on container instances whose agents are silent, to be replaced when that lasts',
      until: since + rules.lostAfterMs,
    });
    expect(texts(answer, 'agent')).toContain('1 task lost with silent container instances');
  });

  it('with task sets tells of each, and that it waits for one when it has none', async () => {
    const set = aTaskSet({ taskSet: { scalePercent: 50 } });
    const service = { deploymentController: 'EXTERNAL', taskDefinitionArn: '', desiredCount: 4 } as const;
    const { world } = await worldWithService({ ...service, deployments: [set] });
    const answer = await why(world, 'web');
    expect(texts(answer, 'deployment')[0]).toContain(`task set ${set.id} (ACTIVE, 50 % of 4, 2 tasks) is STABILIZING`);
    expect(answer.placement).toMatchObject([{ deploymentId: set.id, tasks: 2 }]);
    const { world: empty } = await worldWithService({ ...service, deployments: [] });
    expect((await why(empty, 'web')).summary).toContain('It waits for a task set');
  });

  it('that is deleted says so', async () => {
    const { world } = await worldWithService({ status: 'INACTIVE' });
    expect((await why(world, 'web')).summary).toBe('It was deleted and runs nothing.');
  });
});

describe('the subject', () => {
  it('is found by id, by its beginning, by hostname and by ARN', async () => {
    const { world, service } = await worldWithService();
    const instance = await world.instance({ hostname: 'attic' });
    const taskArn = taskArnOf(defaultRealm, 'default', 'f00d'.repeat(8));
    const task = aTask({ taskArn, containerInstanceArn: instance.containerInstanceArn });
    await world.store.write((tx) => tx.tasks.put(task));
    const id = arnId(task.taskArn);
    for (const name of [id, id.slice(0, 31), task.taskArn]) expect((await why(world, name)).arn).toBe(task.taskArn);
    for (const name of ['attic', arnId(instance.containerInstanceArn), instance.containerInstanceArn]) {
      expect((await why(world, name)).arn).toBe(instance.containerInstanceArn);
    }
    expect((await why(world, service.serviceArn)).kind).toBe('service');
  });

  it.each([
    ['that nothing is called', 'nothing', undefined, 'ResourceNotFoundException'],
    ['in no cluster', 'web', 'elsewhere', 'ClusterNotFoundException'],
    [
      'of another kind',
      'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      undefined,
      'InvalidParameterException',
    ],
    ['without a name', '', undefined, 'InvalidParameterException'],
  ])('%s is refused', async (_what, subject, cluster, code) => {
    const { world } = await worldWithService();
    await expect(why(world, subject, cluster)).rejects.toMatchObject({ code });
  });

  it('that several things are called is refused with their names', async () => {
    const { world } = await worldWithService();
    await world.instance({ hostname: 'twin' });
    await world.instance({ hostname: 'twin' });
    await expect(why(world, 'twin')).rejects.toMatchObject({
      message: expect.stringContaining('2 things are called twin'),
    });
  });
});

describe('a DRAINING instance', () => {
  it('says what the services of its tasks wait for', async () => {
    const deployments = [aDeployment({ waiting: { reason: 'tasks to become healthy' } })];
    const { world } = await worldWithService({ deployments });
    const { containerInstanceArn } = await world.instance({ status: 'DRAINING' });
    const deploymentId = deployments[0]?.id ?? '';
    const task = aTask({ serviceName: 'web', deploymentId, containerInstanceArn });
    await world.store.write((tx) => tx.tasks.put(task));
    const answer = await why(world, arnId(containerInstanceArn));
    expect(texts(answer, 'drain')[0]).toContain('waits for tasks to become healthy (see `berth why web`)');
  });
});
