/** A machine that is started again under its agent, in order or by a loss of power: what ended is told, what shall run is brought up. */
import { CreateServiceCommand, DeleteServiceCommand, StopTaskCommand, type Task } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programs } from '#test/support/container-programs.ts';
import { container, runUntil, until } from '../e2e/fields/inside.ts';
import { patiently } from './machine.ts';
import { groupOf } from './task-group.ts';
import { openVmCell, type VmCell } from './vm-cell.ts';

const mebibyte = 2 ** 20;
/** Ends at once when it is told to: else the machine's own end waits for it. */
const idles = [...programs.serves.command];

let cell: VmCell;
beforeAll(async () => {
  cell = await openVmCell();
});
afterAll(() => cell.close());

describe.each([
  { how: 'rebooted', restart: () => cell.machine.reboot() },
  { how: 'cut off from its power', restart: () => cell.machine.losePower() },
])('a machine that is $how', ({ how, restart }) => {
  const serviceName = how.replaceAll(' ', '-');
  let single: Task;
  let restarted: Task;
  let served: Task;

  beforeAll(async () => {
    single = await runUntil(cell, 'RUNNING', { containerDefinitions: [container('app', { command: idles })] });
    restarted = await runUntil(cell, 'RUNNING', {
      cpu: '256',
      memory: '96',
      containerDefinitions: [
        container('app', { command: idles, restartPolicy: { enabled: true, restartAttemptPeriod: 60 } }),
      ],
    });
    await cell.register(serviceName, { command: idles });
    await cell.ecs.send(new CreateServiceCommand({ serviceName, taskDefinition: serviceName, desiredCount: 1 }));
    served = await steady();
    // A restart policy wants a run of its period.
    await until(
      cell,
      restarted.taskArn ?? '',
      ({ startedAt }) => Date.now() - (startedAt?.getTime() ?? Infinity) > 65_000,
    );
    await restart();
    await patiently('the agent to be back', () => cell.instance());
  });

  afterAll(async () => {
    await cell.ecs.send(new DeleteServiceCommand({ service: serviceName, force: true }));
    await cell.ecs.send(new StopTaskCommand({ task: restarted.taskArn }));
  });

  /** The one task of the service that runs, and not `but`. */
  async function steady(but?: Task): Promise<Task> {
    return patiently('a task of the service', async () => {
      const tasks = await cell.tasks({ serviceName });
      return tasks.find((task) => task.lastStatus === 'RUNNING' && task.taskArn !== but?.taskArn);
    });
  }

  it('tells the end of a task with its reason', async () => {
    const ended = await until(cell, single.taskArn ?? '', ({ lastStatus }) => lastStatus === 'STOPPED');
    expect(ended).toMatchObject({
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
    });
    expect(ended.containers?.[0]?.exitCode).toBeDefined();
  });

  it('brings a service up again', async () => {
    const next = await steady(served);
    expect(next.startedAt?.getTime()).toBeGreaterThan(served.startedAt?.getTime() ?? Infinity);
    expect(await until(cell, served.taskArn ?? '', ({ lastStatus }) => lastStatus === 'STOPPED')).toMatchObject({
      stopCode: 'EssentialContainerExited',
    });
  });

  it('starts a container by its restart policy, under the limits of its task', async () => {
    const seen = await until(
      cell,
      restarted.taskArn ?? '',
      ({ containers }) => containers?.[0]?.lastStatus === 'RUNNING',
    );
    expect(seen.lastStatus).toBe('RUNNING');
    const id = seen.containers?.[0]?.runtimeId;
    await patiently('the container to run', async () => (await cell.engine.inspect(id ?? ''))?.state === 'running');
    const group = groupOf(cell.machine, 'systemd', restarted);
    expect(await group.read('memory.max')).toBe(`${96 * mebibyte}`);
    expect(await group.read('cpu.max')).toBe('25000 100000');
  });
});
