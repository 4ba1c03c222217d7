/** What control knows of the use of services and clusters. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Telemetry } from '#protocol/session/telemetry.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

const mebibyte = 1024 * 1024;
const level = (value: number) => ({ min: value, max: value, sum: value, sampleCount: 1 });

function using(cpuUnits: number, memoryMiB: number) {
  return { cpuUnits: level(cpuUnits), memoryBytes: level(memoryMiB * mebibyte) };
}

function telemetry(tasks: Telemetry['tasks'], changes: Partial<Telemetry> = {}): Telemetry {
  return {
    type: 'telemetry',
    from: 0,
    to: 20_000,
    instance: {},
    tasks,
    idle: tasks.length === 0,
    fin: true,
    ...changes,
  };
}

function ofTask(taskArn: string, ...containers: ReturnType<typeof using>[]): Telemetry['tasks'][number] {
  return { taskArn, containers: containers.map((metrics, n) => ({ name: `c${n}`, restartCount: 0, metrics })) };
}

describe('the use of a service', () => {
  it('is what its tasks use of what they reserved, all containers together', async () => {
    const agent = await control.connect();
    const service = { serviceName: 'web', resources: { cpu: 200, memoryMiB: 64 } };
    const one = await control.place(service);
    const other = await control.place(service);
    agent.send(telemetry([ofTask(one.taskArn, using(50, 16), using(50, 16)), ofTask(other.taskArn, using(0, 0))]));
    await control.settle();
    expect(control.sessions.utilisation.services()).toEqual([
      {
        clusterName: 'default',
        serviceName: 'web',
        sources: 2,
        cpu: { average: 0.25, minimum: 0, maximum: 0.5 },
        memory: { average: 0.25, minimum: 0, maximum: 0.5 },
        ageMs: 0,
      },
    ]);
  });

  it('grows old and is forgotten after five minutes', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place({ serviceName: 'web' });
    agent.send(telemetry([ofTask(taskArn, using(50, 16))]));
    await control.settle();
    await control.clock.advance(60_000);
    expect(control.sessions.utilisation.services()).toMatchObject([{ ageMs: 60_000 }]);
    await control.clock.advance(5 * 60_000);
    expect(control.sessions.utilisation.services()).toEqual([]);
  });

  it('takes the newest window of a task and writes nothing', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place({ serviceName: 'web', resources: { cpu: 100 } });
    let commits = 0;
    control.store.subscribe(() => (commits += 1));
    for (const units of [10, 90]) {
      agent.send(telemetry([ofTask(taskArn, using(units, 1))]));
      await control.settle();
    }
    expect(control.sessions.utilisation.services()[0]?.cpu?.average).toBe(0.9);
    expect(commits).toBe(0);
  });

  it('does not count what an agent says of tasks that are not its own, or that nobody knows', async () => {
    const agent = await control.connect();
    const theirs = aTask({ containerInstanceArn: 'arn:other', serviceName: 'web' });
    await control.store.write((tx) => tx.tasks.put(theirs));
    agent.send(telemetry([ofTask(theirs.taskArn, using(1, 1)), ofTask('arn:unknown', using(1, 1))]));
    await control.settle();
    expect(control.sessions.utilisation.services()).toEqual([]);
    expect(agent.closed).toBeUndefined();
  });
});

it('the use of a cluster is what its machines use of what they have', async () => {
  const agent = await control.connect({ resources: { cpu: 2048, memoryMiB: 4096, takenPorts: [], gpuIds: [] } });
  agent.send(telemetry([], { instance: using(1024, 1024) }));
  await control.settle();
  expect(control.sessions.utilisation.clusters()).toEqual([
    {
      clusterName: 'default',
      sources: 1,
      cpu: { average: 0.5, minimum: 0.5, maximum: 0.5 },
      memory: { average: 0.25, minimum: 0.25, maximum: 0.25 },
      ageMs: 0,
    },
  ]);
});

describe('the health that an agent reports', () => {
  const healthy = { type: 'CONTAINER_RUNTIME', status: 'OK' } as const;

  it('keeps the checks apart, each with the time of its last change', async () => {
    const agent = await control.connect({ health: { status: 'OK', details: [healthy] } });
    const before = await control.instance();
    await control.clock.advance(1000);
    const full = { type: 'ENGINE_DISK_PRESSURE', status: 'IMPAIRED', reason: 'the disk is full' } as const;
    agent.send({
      type: 'heartbeat',
      sentAt: 0,
      health: { status: 'IMPAIRED', reason: full.reason, details: [healthy, full] },
    });
    await control.settle();
    const { health } = await control.instance();
    expect(health).toMatchObject({ status: 'IMPAIRED', reason: 'the disk is full' });
    expect(health.details).toEqual([
      { ...healthy, updatedAt: control.clock.now(), changedAt: before.health.changedAt },
      { ...full, updatedAt: control.clock.now(), changedAt: control.clock.now() },
    ]);
  });
});
