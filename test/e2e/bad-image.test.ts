/** A bad image over a good service of five: the circuit breaker trips, the service goes back, and its five tasks never notice. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServiceDeploymentsCommand,
  ListServiceDeploymentsCommand,
  type Service,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { berthFor } from '#test/support/berth-program.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

const service = 'five';

let registry: TestRegistry;
let cell: RealCell;

beforeAll(async () => {
  registry = await startTestRegistry(`five ${process.pid}`);
  cell = await openRealCell();
});

afterAll(async () => {
  await cell.close();
  await registry.close();
});

/** Task ARN and container id of each container that runs. */
async function running(): Promise<string[]> {
  const tasks = await cell.tasks({ serviceName: service });
  return tasks
    .filter(({ lastStatus }) => lastStatus === 'RUNNING')
    .flatMap(({ taskArn, containers = [] }) => containers.map(({ runtimeId }) => `${taskArn} ${runtimeId}`))
    .toSorted();
}

/** Looks without pause until `done`: answers the fewest that ran, and what DescribeServices showed of rollouts. */
async function watch(done: Promise<unknown>): Promise<{ fewest: number; shown: Set<string> }> {
  const shown = new Set<string>();
  let fewest = Number.POSITIVE_INFINITY;
  let over = false;
  void done.then(() => (over = true));
  while (!over) {
    fewest = Math.min(fewest, (await running()).length);
    const { deployments = [] }: Service = await cell.service(service);
    for (const { status, rolloutState, rolloutStateReason } of deployments) {
      shown.add(`${status} ${rolloutState} ${rolloutStateReason}`);
    }
    await systemClock.sleep(50);
  }
  return { fewest, shown };
}

test('a bad image over a good service of five trips the breaker and goes back, all five tasks untouched', async () => {
  await cell.register(service, {});
  await cell.ecs.send(
    new CreateServiceCommand({
      serviceName: service,
      taskDefinition: service,
      desiredCount: 5,
      deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
    }),
  );
  const before = await eventually('five tasks', async () => {
    const tasks = await running();
    return tasks.length === 5 && (await cell.service(service)).deployments?.[0]?.rolloutState === 'COMPLETED' && tasks;
  });
  const good = (await cell.service(service)).deployments?.[0];

  const bad = await cell.register(service, { image: `${registry.address}/five:lacking` });
  const command = berthFor(cell).berth('service', 'update', service, '--task-definition', bad, '--wait');
  const { fewest, shown } = await watch(command);
  const { code, out, err } = await command;
  const output = out + err;

  expect(fewest).toBe(5);
  expect(await running()).toEqual(before);
  expect(code).toBe(1);
  expect(output).toContain('ROLLBACK_SUCCESSFUL');
  expect(output).toContain('the rollout failed and was taken back: ECS deployment circuit breaker:');
  expect(output).toContain('CannotPullImageManifestError');
  expect([...shown]).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^ACTIVE FAILED ECS deployment circuit breaker: .*CannotPullImageManifestError/),
    ]),
  );

  const after = await cell.service(service);
  expect(after).toMatchObject({ runningCount: 5, taskDefinition: good?.taskDefinition });
  expect(after.deployments?.[0]).toMatchObject({ id: good?.id, status: 'PRIMARY', rolloutState: 'COMPLETED' });
  const { serviceDeployments = [] } = await cell.ecs.send(new ListServiceDeploymentsCommand({ service }));
  expect(serviceDeployments.map(({ status }) => status)).toEqual(['ROLLBACK_SUCCESSFUL', 'SUCCESSFUL']);
  const newest = serviceDeployments[0]?.serviceDeploymentArn ?? '';
  const described = await cell.ecs.send(new DescribeServiceDeploymentsCommand({ serviceDeploymentArns: [newest] }));
  expect(described.serviceDeployments).toMatchObject([
    {
      deploymentCircuitBreaker: { status: 'TRIGGERED', threshold: 3 },
      rollback: { serviceRevisionArn: serviceDeployments[1]?.targetServiceRevisionArn },
    },
  ]);
  await cell.ecs.send(new DeleteServiceCommand({ service, force: true }));
});
