/** Images that are on a machine before their tasks: those its operator lists, and those of a deployment that has to stop before it can start. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RunTaskCommand,
  UpdateServiceCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { freePort } from '#test/support/processes.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';
import { testImageEntries } from '#test/support/test-images.ts';

/** A pull of the test image then takes some seconds. */
const slowly = { bytesPerSecond: 250_000 };

let registry: TestRegistry;
let cell: RealCell;
let introspection: string;

beforeAll(async () => {
  registry = await startTestRegistry(`listed ${process.pid}`, { entries: await testImageEntries() });
  registry.behave(slowly);
  const port = await freePort();
  introspection = `http://127.0.0.1:${port}`;
  cell = await openRealCell({
    agent: {
      ECS_IMAGE_PULL_BEHAVIOR: 'default',
      BERTH_PREPULL_IMAGES: JSON.stringify([imageOf('listed')]),
      BERTH_INTROSPECTION_PORT: String(port),
      ECS_IMAGE_CLEANUP_INTERVAL: '1s',
      ECS_IMAGE_MINIMUM_CLEANUP_AGE: '0s',
      ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s',
    },
  });
});

afterEach(() => registry.behave({}));

afterAll(async () => {
  await cell.close();
  for (const { tags, digests } of await cell.engine.listImages()) {
    for (const name of [...tags, ...digests]) {
      if (name.startsWith(registry.address)) await cell.engine.removeImage(name);
    }
  }
  await registry.close();
});

function imageOf(name: string): string {
  return `${registry.address}/${name}:${registry.tag}`;
}

async function listed(): Promise<unknown> {
  return (await globalThis.fetch(`${introspection}/v1/images`)).json();
}

test('a listed image arrives without a task, and no cleaning takes it', async () => {
  expect(await listed()).toMatchObject({ Images: [{ Image: imageOf('listed') }] });
  await eventually('the image', async () => (await cell.engine.inspectImage(imageOf('listed'))) !== undefined);
  await eventually('the word of it', async () => JSON.stringify(await listed()).includes('"HERE"'));
  expect(await cell.logOf('agent')).toContain('an image of the list is here');
  await registry.push(`other ${process.pid}`);
  await cell.register('short', { image: imageOf('other'), command: ['true'] });
  await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'short' }));
  await eventually(
    'the other image to come',
    async () => (await cell.engine.inspectImage(imageOf('other'))) !== undefined,
  );
  await eventually(
    'the other image to go',
    async () => (await cell.engine.inspectImage(imageOf('other'))) === undefined,
  );
  expect(await cell.engine.inspectImage(imageOf('listed'))).toBeDefined();
});

test('a service that has to stop first is away for a start, not for a pull', async () => {
  const service = 'one-port';
  await cell.register(service, {
    image: imageOf('web'),
    linuxParameters: { initProcessEnabled: true },
    portMappings: [{ containerPort: 80, hostPort: await freePort() }],
  });
  const deploymentConfiguration = { minimumHealthyPercent: 0, maximumPercent: 100 };
  await cell.ecs.send(
    new CreateServiceCommand({
      serviceName: service,
      taskDefinition: service,
      desiredCount: 1,
      deploymentConfiguration,
    }),
  );
  const running = async (digest: string): Promise<Task | undefined> =>
    (await cell.tasks({ serviceName: service })).find(
      ({ lastStatus, containers }) => lastStatus === 'RUNNING' && containers?.[0]?.imageDigest === digest,
    );
  const old = await eventually('the old task', () => running(registry.digest));

  await registry.push(`renewed ${process.pid}`);
  registry.behave(slowly);
  const startedAt = systemClock.now();
  await cell.ecs.send(new UpdateServiceCommand({ service, forceNewDeployment: true }));
  await eventually('the reason', async () => {
    const { deployments = [] } = await cell.service(service);
    return deployments[0]?.rolloutStateReason?.includes('Waiting: its images to be pulled before old tasks stop.');
  });
  const renewed = await eventually('the new task', () => running(registry.digest));
  const stopped = await cell.task(old.taskArn ?? '');
  const pullMs = Number(stopped.stoppingAt) - startedAt;
  const awayMs = Number(renewed.startedAt) - Number(stopped.executionStoppedAt);
  expect(pullMs).toBeGreaterThan(3000);
  expect(awayMs).toBeLessThan(pullMs / 2);
  await cell.ecs.send(new DeleteServiceCommand({ service, force: true }));
});

test('an image that is not there costs nothing: the old task goes on, and the deployment says why', async () => {
  const service = 'missing';
  await cell.register(service, {
    image: imageOf('web'),
    portMappings: [{ containerPort: 80, hostPort: await freePort() }],
  });
  const deploymentConfiguration = {
    minimumHealthyPercent: 0,
    maximumPercent: 100,
    deploymentCircuitBreaker: {
      enable: true,
      rollback: true,
      thresholdConfiguration: { type: 'COUNT', value: 2 },
    },
  } as const;
  await cell.ecs.send(
    new CreateServiceCommand({
      serviceName: service,
      taskDefinition: service,
      desiredCount: 1,
      deploymentConfiguration,
    }),
  );
  const [old] = await eventually('the old task', async () => {
    const tasks = await cell.tasks({ serviceName: service });
    const { deployments = [] } = await cell.service(service);
    return tasks[0]?.lastStatus === 'RUNNING' && deployments[0]?.rolloutState === 'COMPLETED' && tasks;
  });
  const lacking = await cell.register(service, { image: `${registry.address}/web:lacking` });
  await cell.ecs.send(new UpdateServiceCommand({ service, taskDefinition: lacking }));
  await eventually('the reason', async () => {
    const { deployments = [] } = await cell.service(service);
    return /images that could not be pulled before old tasks stop.*CannotPullImageManifestError/.test(
      deployments[0]?.rolloutStateReason ?? '',
    );
  });
  const failed = await eventually('the circuit breaker', async () => {
    const { deployments = [] } = await cell.service(service);
    return deployments.find(({ rolloutState }) => rolloutState === 'FAILED');
  });
  expect(failed.rolloutStateReason).toContain('CannotPullImageManifestError');
  await eventually('the way back', async () => {
    const { deployments = [] } = await cell.service(service);
    return deployments[0]?.status === 'PRIMARY' && deployments[0].rolloutState === 'COMPLETED';
  });
  expect(await cell.tasks({ serviceName: service })).toMatchObject([{ taskArn: old?.taskArn, lastStatus: 'RUNNING' }]);
  expect(await cell.tasks({ serviceName: service, desiredStatus: 'STOPPED' })).toEqual([]);
  expect(await cell.logOf('control')).toContain('images could not be pulled ahead');
  await cell.ecs.send(new DeleteServiceCommand({ service, force: true }));
});
