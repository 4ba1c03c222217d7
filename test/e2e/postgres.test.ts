/** PostgreSQL as the store of a real control: the same flow as on SQLite, and `kill -9` of control while it writes. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RunTaskCommand,
  StopTaskCommand,
  UpdateServiceCommand,
  waitUntilServicesStable,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '#test/support/postgres.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

const endsWhenAsked = { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] };

let postgres: PostgresServer;
let cell: RealCell;
beforeAll(async () => {
  postgres = await startPostgres();
  cell = await openRealCell({ control: { BERTH_STORE: await postgres.createDatabase() } });
});
afterAll(async () => {
  await cell.close();
  await postgres.stop();
});

async function isRunning(arn: string): Promise<boolean> {
  return (await cell.task(arn)).lastStatus === 'RUNNING';
}

it('a service becomes stable, replaces what dies, rolls and goes', async () => {
  await cell.register('web', endsWhenAsked);
  await cell.ecs.send(new CreateServiceCommand({ serviceName: 'web', taskDefinition: 'web', desiredCount: 2 }));
  const waiting = { client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
  await waitUntilServicesStable(waiting, { services: ['web'] });
  const [victim] = await cell.tasks({ serviceName: 'web' });

  await cell.engine.kill(victim?.containers?.[0]?.runtimeId ?? '', 'SIGKILL');
  await eventually('the replacement', async () => {
    const tasks = await cell.tasks({ serviceName: 'web' });
    return (
      tasks.length === 2 && tasks.every((task) => task.lastStatus === 'RUNNING' && task.taskArn !== victim?.taskArn)
    );
  });

  const second = await cell.register('web', { ...endsWhenAsked, environment: [{ name: 'REVISION', value: '2' }] });
  await cell.ecs.send(new UpdateServiceCommand({ service: 'web', taskDefinition: second }));
  await waitUntilServicesStable(waiting, { services: ['web'] });
  const tasks = await cell.tasks({ serviceName: 'web' });
  expect(tasks.map((task) => task.taskDefinitionArn)).toEqual([second, second]);

  await cell.ecs.send(new DeleteServiceCommand({ service: 'web', force: true }));
  await eventually('the end of the service', async () => (await cell.service('web')).status === 'INACTIVE');
});

it('what was answered before control was killed is there after it, and runs once', async () => {
  await cell.register('burst', endsWhenAsked);
  const answers = Array.from({ length: 12 }, () => cell.ecs.send(new RunTaskCommand({ taskDefinition: 'burst' })));
  await Promise.race(answers);
  await cell.control.kill();
  cell.control = cell.startControl();
  await cell.untilReady();

  const settled = await Promise.allSettled(answers);
  const answered = settled.flatMap((each) => (each.status === 'fulfilled' ? (each.value.tasks ?? []) : []));
  expect(answered.length).toBeGreaterThan(0);
  for (const { taskArn = '' } of answered) await eventually(`${taskArn} to run`, () => isRunning(taskArn));

  const kept = await cell.tasks({ family: 'burst' });
  expect(kept.map((task) => task.taskArn)).toEqual(expect.arrayContaining(answered.map((task) => task.taskArn)));
  for (const { taskArn = '' } of kept) await eventually(`${taskArn} to run`, () => isRunning(taskArn));
  const containers = (await cell.containers()).map((container) => container.taskArn);
  const ofBurst = containers.filter((arn) => kept.some((task) => task.taskArn === arn));
  expect(ofBurst.toSorted()).toEqual(kept.map((task) => task.taskArn ?? '').toSorted());

  for (const { taskArn } of kept) await cell.ecs.send(new StopTaskCommand({ task: taskArn }));
  await eventually('their end', async () => (await cell.tasks({ family: 'burst' })).length === 0);
});
