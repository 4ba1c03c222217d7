/** `kill -9` of the agent and of control, at random moments, during rolling updates: the rollout ends steady, with no duplicate and no orphan. */
import { CreateServiceCommand, DeleteServiceCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { seededRandom } from '#lib/random.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

const kills = Number(process.env['BERTH_TEST_KILLS'] ?? 50);
const seed = Number(process.env['BERTH_TEST_SEED'] ?? 20_261_120);
const desiredCount = 4;

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

function looping(mark: number) {
  return { command: ['sh', '-c', `trap "exit 0" TERM; while :; do sleep 0.2; done # ${mark}`] };
}

async function killAndRestart(which: 'control' | 'agent'): Promise<void> {
  await cell[which].kill();
  if (which === 'agent') {
    cell.agent = cell.startAgent();
    return;
  }
  cell.control = cell.startControl();
  await cell.untilReady();
}

it(`ends steady after ${kills} kills (seed ${seed})`, { timeout: 600_000 }, async () => {
  const random = seededRandom(seed);
  const revisions = [await cell.register('killed', looping(1)), await cell.register('killed', looping(2))];
  await cell.ecs.send(new CreateServiceCommand({ serviceName: 'killed', taskDefinition: revisions[0], desiredCount }));
  let wanted = revisions[0];

  for (let kill = 0; kill < kills; kill += 1) {
    if (kill % 5 === 0) {
      wanted = revisions[(kill / 5 + 1) % 2];
      await eventually('UpdateService', () =>
        cell.ecs.send(new UpdateServiceCommand({ service: 'killed', taskDefinition: wanted })),
      );
    }
    await systemClock.sleep(random.next() * 700);
    await killAndRestart(random.next() < 0.5 ? 'agent' : 'control');
  }

  const tasks = await eventually(
    'a steady service',
    async () => {
      const service = await cell.service('killed');
      const seen = await cell.tasks({ serviceName: 'killed' });
      const isSteady =
        service.deployments?.length === 1 && service.runningCount === desiredCount && service.pendingCount === 0;
      return (
        isSteady && seen.every((task) => task.lastStatus === 'RUNNING' && task.taskDefinitionArn === wanted) && seen
      );
    },
    120_000,
  );
  const expected = tasks.map((task) => task.containers?.[0]?.runtimeId ?? '').toSorted();
  await eventually('no container runs but the ones of the service', async () => {
    const owned = await cell.containers();
    const states = await Promise.all(owned.map(({ id }) => cell.engine.inspect(id)));
    const running = states.filter((state) => state?.state === 'running').map((state) => state?.id ?? '');
    return JSON.stringify(running.toSorted()) === JSON.stringify(expected);
  });
  const owned = await cell.containers();
  const names = owned.map(({ taskArn, containerName }) => `${taskArn} ${containerName}`);
  expect(names).toHaveLength(new Set(names).size);

  await cell.ecs.send(new DeleteServiceCommand({ service: 'killed', force: true }));
  await eventually('the end of the service', async () => (await cell.service('killed')).status === 'INACTIVE');
});
