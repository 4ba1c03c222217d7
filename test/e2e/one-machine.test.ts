/** What a user sees on one machine: the public API in front, real containers behind. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RunTaskCommand,
  StopTaskCommand,
  UpdateServiceCommand,
  waitUntilServicesStable,
  waitUntilTasksStopped,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

async function run(taskDefinition: string): Promise<string> {
  const { tasks: [task] = [], failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition }));
  expect(failures).toEqual([]);
  return task?.taskArn ?? '';
}

async function stopped(arn: string) {
  await waitUntilTasksStopped({ client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { tasks: [arn] });
  return cell.task(arn);
}

describe('a task', () => {
  it('runs as a real container that carries its name in the labels', async () => {
    await cell.register('plain', {});

    const arn = await run('plain');
    const task = await eventually('RUNNING', async () => {
      const seen = await cell.task(arn);
      return seen.lastStatus === 'RUNNING' && seen;
    });

    const own = (await cell.containers()).filter((container) => container.taskArn === arn);
    expect(own).toEqual([{ id: task.containers?.[0]?.runtimeId, taskArn: arn, containerName: 'main' }]);
  });

  it('gets a host port of the engine’s choice and serves on it', async () => {
    const page = 'mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www';
    await cell.register('page', {
      command: ['sh', '-c', page],
      portMappings: [{ containerPort: 8080 }],
      linuxParameters: { initProcessEnabled: true },
    });

    const arn = await run('page');
    const port = await eventually(
      'a host port',
      async () => (await cell.task(arn)).containers?.[0]?.networkBindings?.[0]?.hostPort,
    );
    const text = await eventually('the page', async () => (await fetch(`http://127.0.0.1:${port}/`)).text());

    expect(text).toBe('hello\n');
  });

  it('that ends by itself shows its real exit code and why', async () => {
    await cell.register('ends', { command: ['sh', '-c', 'exit 7'] });
    const task = await stopped(await run('ends'));
    expect(task).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
    });
    expect(task.containers?.[0]?.exitCode).toBe(7);
  });

  it('whose image is nowhere says so', async () => {
    await cell.register('imageless', { image: '127.0.0.1:9/nowhere:1' });
    const task = await stopped(await run('imageless'));
    expect(task).toMatchObject({ lastStatus: 'STOPPED', stopCode: 'TaskFailedToStart' });
    expect(`${task.stoppedReason} ${task.containers?.[0]?.reason}`).toContain('CannotPullContainerError');
  });

  it('that is stopped by a user ends with the user’s reason', async () => {
    await cell.register('stoppable', { linuxParameters: { initProcessEnabled: true } });
    const arn = await run('stoppable');
    await eventually('RUNNING', async () => (await cell.task(arn)).lastStatus === 'RUNNING');

    await cell.ecs.send(new StopTaskCommand({ task: arn, reason: 'no longer needed' }));

    expect(await stopped(arn)).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'no longer needed' });
  });

  it('that asks for what the machine cannot do is refused with the name of it', async () => {
    await cell.register('secretive', {
      secrets: [{ name: 'PASSWORD', valueFrom: 'arn:aws:ssm:us-east-1:000000000000:parameter/p' }],
    });
    const { tasks, failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'secretive' }));
    expect(tasks).toEqual([]);
    expect(failures).toEqual([
      expect.objectContaining({ reason: 'ATTRIBUTE', detail: expect.stringContaining('secrets') }),
    ]);
  });
});

describe('a service', () => {
  it('becomes stable, replaces what dies, and rolls to a new revision without leaving anything behind', async () => {
    await cell.register('web', { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done'] });
    await cell.ecs.send(new CreateServiceCommand({ serviceName: 'web', taskDefinition: 'web', desiredCount: 3 }));
    await waitUntilServicesStable(
      { client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 },
      { services: ['web'] },
    );
    const [victim] = await cell.tasks({ serviceName: 'web' });

    await cell.engine.kill(victim?.containers?.[0]?.runtimeId ?? '', 'SIGKILL');

    const replaced = await eventually('the replacement', async () => {
      const tasks = await cell.tasks({ serviceName: 'web' });
      return (
        tasks.length === 3 &&
        tasks.every((task) => task.lastStatus === 'RUNNING' && task.taskArn !== victim?.taskArn) &&
        tasks
      );
    });
    expect(replaced).toHaveLength(3);
    expect((await cell.task(victim?.taskArn ?? '')).containers?.[0]?.exitCode).toBe(137);

    const second = await cell.register('web', {
      command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done # 2'],
    });
    await cell.ecs.send(new UpdateServiceCommand({ service: 'web', taskDefinition: second }));
    await waitUntilServicesStable(
      { client: cell.ecs, maxWaitTime: 120, minDelay: 1, maxDelay: 1 },
      { services: ['web'] },
    );

    const tasks = await cell.tasks({ serviceName: 'web' });
    expect(tasks.map((task) => task.taskDefinitionArn)).toEqual([second, second, second]);
    expect((await cell.service('web')).deployments).toMatchObject([
      { status: 'PRIMARY', rolloutState: 'COMPLETED', runningCount: 3 },
    ]);

    await cell.ecs.send(new DeleteServiceCommand({ service: 'web', force: true }));
    await eventually('the end of the service', async () => (await cell.service('web')).status === 'INACTIVE');
  });
});

describe('the agent', () => {
  it('leaves its containers alone when it is stopped, and takes them up again when it starts', async () => {
    const arn = await run('plain');
    const before = await eventually('RUNNING', async () => {
      const task = await cell.task(arn);
      return task.lastStatus === 'RUNNING' && task.containers?.[0]?.runtimeId;
    });

    expect(await cell.agent.stop()).toBe(0);
    expect(await cell.engine.inspect(before)).toMatchObject({ state: 'running' });
    cell.agent = cell.startAgent();
    await eventually('CONNECTED', async () => (await cell.task(arn)).connectivity === 'CONNECTED');

    const own = (await cell.containers()).filter((container) => container.taskArn === arn);
    expect(own.map((container) => container.id)).toEqual([before]);
    expect((await cell.task(arn)).lastStatus).toBe('RUNNING');
  });
});
