/** kill -9 of control at each step of a rolling update, on SQLite and on PostgreSQL: the update goes on where it was, and makes nothing twice. */
import { UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { openFleet, type Fleet } from '#test/support/hosts/fleet.ts';
import { newRevision, startWeb, untilConverged, web } from '#test/support/hosts/service.ts';
import { measured } from '#test/support/measured.ts';
import { startPostgres, type PostgresServer } from '#test/support/postgres.ts';
import { eventually } from '#test/support/real-cell.ts';

let fleet: Fleet;
let postgres: PostgresServer | undefined;
afterEach(async () => {
  await fleet.close();
  await postgres?.stop();
});

const tasks = 2;

async function killControl(): Promise<void> {
  await fleet.control.kill();
  fleet.control = fleet.startControl();
  await fleet.untilReady();
}

/** What the update has come to, in the words of the API. */
async function stepOf(revision: string): Promise<string> {
  return eventually('an answer', async () => {
    const all = await fleet.tasks({ serviceName: web });
    const count = (isNew: boolean, status: string): number =>
      all.filter((task) => (task.taskDefinitionArn === revision) === isNew && task.lastStatus === status).length;
    const { deployments } = await fleet.service(web);
    const state = deployments?.[0]?.rolloutState;
    return `new ${count(true, 'PENDING')} pending ${count(true, 'RUNNING')} running, old ${count(false, 'RUNNING')} running, ${deployments?.length} ${state}`;
  });
}

it.each(['SQLite', 'PostgreSQL'])('an update goes on where it was and makes nothing twice, on %s', async (kind) => {
  if (kind === 'PostgreSQL') postgres = await startPostgres();
  const store = postgres === undefined ? {} : { BERTH_STORE: await postgres.createDatabase() };
  fleet = await openFleet({ hosts: 2, control: store });
  await startWeb(fleet, tasks);
  const revision = await newRevision(fleet, 2);
  const deploymentConfiguration = { minimumHealthyPercent: 100, maximumPercent: 150 };
  const update = new UpdateServiceCommand({ service: web, taskDefinition: revision, deploymentConfiguration });
  await fleet.ecs.send(update);
  const startedAt = systemClock.now();

  const done = `new 0 pending ${tasks} running, old 0 running, 1 COMPLETED`;
  const steps = new Set<string>();
  for (let step = await stepOf(revision); step !== done; step = await stepOf(revision)) {
    expect(systemClock.now() - startedAt).toBeLessThan(180_000);
    if (!steps.has(step)) await killControl();
    steps.add(step);
  }
  measured(`control killed at ${steps.size} steps of an update, ${kind}`, systemClock.now() - startedAt);
  expect(steps.size).toBeGreaterThanOrEqual(4);

  await untilConverged(fleet);
  const stopped = await fleet.tasks({ serviceName: web, desiredStatus: 'STOPPED' });
  const live = await fleet.tasks({ serviceName: web });
  // Every task of the update that ever was is one that runs now, and none of the old was stopped but once.
  expect(stopped.filter(({ taskDefinitionArn }) => taskDefinitionArn === revision)).toEqual([]);
  expect([live.length, stopped.length]).toEqual([tasks, tasks]);
});
