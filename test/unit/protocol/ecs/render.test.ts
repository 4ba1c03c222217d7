/** Answers: nothing that was sent is lost, times are seconds, and what clients read without asking is always there. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultRealm } from '#model/arn.ts';
import { remainingResources } from '#model/resources.ts';
import { parseInput } from '#protocol/ecs/parse.ts';
import { noTasksOrServices, renderCluster } from '#protocol/ecs/render-cluster.ts';
import { renderContainerInstance } from '#protocol/ecs/render-container-instance.ts';
import { renderService } from '#protocol/ecs/render-service.ts';
import { renderTask } from '#protocol/ecs/render-task.ts';
import { renderTaskDefinition } from '#protocol/ecs/render-task-definition.ts';
import { arbitraryTaskDefinitionBody } from '#test/support/arbitrary-task-definition.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import webApi from '#test/support/fixtures/web-api.json' with { type: 'json' };

/** As a client receives it. */
function received(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer));
}

function registeredAndDescribed(sent: unknown): unknown {
  const parsed = parseInput('RegisterTaskDefinition', JSON.parse(JSON.stringify(sent)));
  if (!parsed.ok) throw parsed.error;
  const { tags: _tags, ...body } = parsed.input;
  return received(renderTaskDefinition({ ...aTaskDefinition(), body }));
}

describe('a task definition', () => {
  it('gives web-api back with every field as it was sent', () => {
    expect(registeredAndDescribed(webApi)).toMatchObject(webApi);
  });

  it('gives any definition back as it was sent', () => {
    fc.assert(
      fc.property(arbitraryTaskDefinitionBody, (body) => {
        const described = registeredAndDescribed(body);
        for (const [field, value] of Object.entries(body)) expect(described).toHaveProperty(field, received(value));
      }),
    );
  });

  it('adds what registration found out, and no tags', () => {
    const definition = aTaskDefinition({ registeredAt: 1_500, revision: 3, tags: [{ key: 'a' }] });
    const described = renderTaskDefinition(definition);
    expect(described).toMatchObject({ revision: 3, status: 'ACTIVE', registeredAt: 1.5 });
    expect(described).not.toHaveProperty('tags');
    expect(described).not.toHaveProperty('deregisteredAt');
  });
});

describe('a task', () => {
  it('shows times in seconds and only those that have passed', () => {
    const task = renderTask(aTask({ createdAt: 1_250, startedAt: 2_000 }), { realm: defaultRealm });
    expect(task).toMatchObject({ createdAt: 1.25, startedAt: 2, attachments: [], tags: [] });
    expect(Object.keys(task)).not.toContain('stoppedAt');
  });

  it('shows its tags to those who ask', () => {
    const tags = [{ key: 'team', value: 'web' }];
    expect(renderTask(aTask({ tags }), { realm: defaultRealm, include: ['TAGS'] }).tags).toEqual(tags);
  });

  it('names itself in each of its containers', () => {
    const task = aTask();
    const rendered = renderTask(task, { realm: defaultRealm });
    expect(rendered.containers?.map((container) => container.taskArn)).toEqual(task.containers.map(() => task.taskArn));
  });
});

describe('a service', () => {
  it('counts its tasks by deployment and in total', () => {
    const deployments = [aDeployment({ id: 'ecs-svc/2' }), aDeployment({ id: 'ecs-svc/1', status: 'ACTIVE' })];
    const counts = new Map([
      ['ecs-svc/2', { running: 1, pending: 2 }],
      ['ecs-svc/1', { running: 3, pending: 0 }],
    ]);
    const service = renderService(aService({ deployments }), { realm: defaultRealm, counts });
    expect(service).toMatchObject({ runningCount: 4, pendingCount: 2 });
    expect(service.deployments).toMatchObject([
      { id: 'ecs-svc/2', runningCount: 1, pendingCount: 2 },
      { id: 'ecs-svc/1', runningCount: 3, pendingCount: 0 },
    ]);
  });

  it('returns what it only keeps, each where ECS shows it', () => {
    const loadBalancers = [{ targetGroupArn: 'arn:tg', containerName: 'main', containerPort: 80 }];
    const serviceConnectConfiguration = { enabled: true };
    const deploymentConfiguration = { minimumHealthyPercent: 50, maximumPercent: 150, rest: { strategy: 'ROLLING' } };
    const service = renderService(
      aService({ kept: { loadBalancers, serviceConnectConfiguration }, deploymentConfiguration }),
      { realm: defaultRealm, counts: new Map() },
    );
    expect(service['loadBalancers']).toEqual(loadBalancers);
    expect(service.deployments[0]?.['serviceConnectConfiguration']).toEqual(serviceConnectConfiguration);
    expect(service['deploymentConfiguration']).toEqual({
      strategy: 'ROLLING',
      minimumHealthyPercent: 50,
      maximumPercent: 150,
    });
  });
});

describe('a container instance', () => {
  it('shows what it has and what its tasks leave', () => {
    const instance = aContainerInstance({
      resources: { cpu: 2048, memoryMiB: 4096, takenPorts: [{ port: 22, protocol: 'tcp' }], gpuIds: [] },
    });
    const task = { cpu: 512, memoryMiB: 1024, ports: [{ port: 53, protocol: 'udp' as const }], gpuCount: 0 };
    const remaining = remainingResources(instance.resources, [{ resources: task }]);
    const rendered = renderContainerInstance(instance, { remaining, runningTasks: 1, pendingTasks: 0 });
    expect(rendered.registeredResources).toMatchObject([
      { name: 'CPU', type: 'INTEGER', integerValue: 2048 },
      { name: 'MEMORY', type: 'INTEGER', integerValue: 4096 },
      { name: 'PORTS', type: 'STRINGSET', stringSetValue: ['22'] },
      { name: 'PORTS_UDP', type: 'STRINGSET', stringSetValue: [] },
    ]);
    expect(rendered.remainingResources).toMatchObject([
      { integerValue: 1536 },
      { integerValue: 3072 },
      { stringSetValue: ['22'] },
      { stringSetValue: ['53'] },
    ]);
    expect(rendered).not.toHaveProperty('healthStatus');
  });

  it('shows its health to those who ask', () => {
    const instance = aContainerInstance();
    const rendered = renderContainerInstance(instance, {
      remaining: instance.resources,
      runningTasks: 0,
      pendingTasks: 0,
      include: ['CONTAINER_INSTANCE_HEALTH'],
    });
    expect(rendered.healthStatus?.details).toMatchObject([
      { type: 'CONTAINER_RUNTIME' },
      { type: 'AGENT_CONNECTIVITY' },
    ]);
  });
});

describe('a cluster', () => {
  const counts = {
    registeredContainerInstances: 2,
    byLaunchType: {
      EC2: { runningTasks: 3, pendingTasks: 1, activeServices: 1, drainingServices: 0 },
      FARGATE: noTasksOrServices,
      EXTERNAL: { ...noTasksOrServices, runningTasks: 2 },
    },
  };

  it('counts over all launch types, and has its lists even when they were not asked for', () => {
    expect(renderCluster(aCluster(), { counts, include: [] })).toMatchObject({
      registeredContainerInstancesCount: 2,
      runningTasksCount: 5,
      pendingTasksCount: 1,
      activeServicesCount: 1,
      statistics: [],
      settings: [],
      tags: [],
    });
  });

  it('splits the counts by launch type for those who ask', () => {
    expect(renderCluster(aCluster(), { counts, include: ['STATISTICS'] }).statistics).toEqual(
      expect.arrayContaining([
        { name: 'runningEC2TasksCount', value: '3' },
        { name: 'runningExternalTasksCount', value: '2' },
        { name: 'pendingFargateTasksCount', value: '0' },
      ]),
    );
  });
});
