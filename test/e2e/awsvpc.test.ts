/** Tasks with networks of their own, and what FARGATE makes of them: the stock SDK in front, real containers and a real network behind. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  waitUntilServicesStable,
  waitUntilTasksStopped,
  type ContainerDefinition,
  type RegisterTaskDefinitionCommandInput,
  type RunTaskCommandInput,
  type Task,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLinkLocal } from '#agent/host/link-local.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const pauseName = '~internal~ecs~pause';
/** Known to the engine by this name alone, so no other test may have it. */
const sharedVolume = 'berth-e2e-awsvpc-shared';
const subnet = '10.123.64.0/24';
/** Of the agent's metadata, where no other agent has it. */
const metadataAddress = `169.254.174.${1 + (process.pid % 250)}`;
const networkConfiguration = {
  awsvpcConfiguration: { subnets: ['subnet-a'], securityGroups: ['sg-a'], assignPublicIp: 'DISABLED' as const },
};

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell({ agent: { BERTH_TASK_SUBNET: subnet, BERTH_METADATA_ADDRESS: metadataAddress } });
});
afterAll(async () => {
  await cell.close();
  await createLinkLocal({ address: metadataAddress, port: 80, agentPort: 51_679, bridges: [] }).remove();
  await promisify(execFile)('docker', ['volume', 'rm', '--force', sharedVolume]);
});

async function define(
  family: string,
  containers: readonly Partial<ContainerDefinition>[],
  more: Partial<RegisterTaskDefinitionCommandInput> = {},
): Promise<void> {
  await cell.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      networkMode: 'awsvpc',
      containerDefinitions: containers.map((container) => ({ image: testImage, memory: 16, ...container })),
      ...more,
    }),
  );
}

async function run(taskDefinition: string, more: Partial<RunTaskCommandInput> = { networkConfiguration }) {
  const { tasks: [task] = [], failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition, ...more }));
  expect(failures).toEqual([]);
  return task ?? {};
}

function running(arn: string | undefined): Promise<Task> {
  return eventually(`${arn} RUNNING`, async () => {
    const task = await cell.task(arn ?? '');
    if (task.lastStatus === 'STOPPED') throw new Error(`it stopped: ${task.stoppedReason}`);
    return task.lastStatus === 'RUNNING' && task;
  });
}

async function stop(arn: string | undefined): Promise<Task> {
  await cell.ecs.send(new StopTaskCommand({ task: arn }));
  return stopped(arn);
}

async function stopped(arn: string | undefined): Promise<Task> {
  const tasks = [arn ?? ''];
  await waitUntilTasksStopped({ client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { tasks });
  return cell.task(arn ?? '');
}

function detail(task: Task, name: string): string | undefined {
  return task.attachments?.[0]?.details?.find((each) => each.name === name)?.value;
}

function addressOf(task: Task): string {
  return detail(task, 'privateIPv4Address') ?? '';
}

async function containerOf(arn: string | undefined, name: string): Promise<string> {
  const found = (await cell.containers()).find((each) => each.taskArn === arn && each.containerName === name);
  if (found === undefined) throw new Error(`${arn} has no container ${name}`);
  return found.id;
}

/** What a command says inside a container. */
async function inside(arn: string | undefined, name: string, ...command: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', ['exec', await containerOf(arn, name), ...command]);
  return stdout.trim();
}

function page(text: string): Partial<ContainerDefinition> {
  const serve = `mkdir /www; echo ${text} > /www/index.html; exec httpd -f -p 8080 -h /www`;
  return { command: ['sh', '-c', serve], portMappings: [{ containerPort: 8080 }], stopTimeout: 2 };
}

function pageAt(task: Task): Promise<string> {
  return eventually('the page', async () => (await (await fetch(`http://${addressOf(task)}:8080/`)).text()).trim());
}

describe('an awsvpc task', () => {
  it('has an address of its own, which the machine reaches, and containers that share localhost', async () => {
    await define('shared', [
      { name: 'page', hostname: 'shared-host', ...page('hello') },
      { name: 'neighbour', command: ['sleep', '3600'], stopTimeout: 2 },
    ]);

    const launched = await run('shared');
    expect(launched.attachments?.[0]).toMatchObject({ type: 'ElasticNetworkInterface', status: 'PRECREATED' });
    const task = await running(launched.taskArn);

    expect(addressOf(task)).toMatch(/^10\.123\.64\.\d+$/);
    expect(await pageAt(task)).toBe('hello');
    expect(await inside(task.taskArn, 'neighbour', 'wget', '-qO-', 'http://127.0.0.1:8080/')).toBe('hello');
    expect(await inside(task.taskArn, 'neighbour', 'hostname')).toBe('shared-host');
    expect(task.attachments?.[0]).toMatchObject({ status: 'ATTACHED' });
    expect(detail(task, 'subnetId')).toBe('subnet-a');
    expect(detail(task, 'networkInterfaceId')).toMatch(/^eni-[0-9a-f]{17}$/);
    expect(await inside(task.taskArn, 'page', 'cat', '/sys/class/net/eth0/address')).toBe(detail(task, 'macAddress'));
    for (const container of task.containers ?? []) {
      expect(container.networkBindings).toEqual([]);
      expect(container.networkInterfaces).toEqual([
        { attachmentId: task.attachments?.[0]?.id, privateIpv4Address: addressOf(task) },
      ]);
    }
    expect(task.containers?.map(({ name }) => name)).toEqual(['page', 'neighbour']);

    const over = await stop(task.taskArn);
    expect(over.attachments?.[0]?.status).toBe('DELETED');
    expect(await cell.engine.inspect(await containerOf(task.taskArn, pauseName))).toMatchObject({
      state: 'exited',
      exitCode: 0,
    });
  });

  it('shares its ports with no other task', async () => {
    await define('twins', [{ name: 'page', ...page('$HOSTNAME') }]);

    const tasks = await Promise.all([await run('twins'), await run('twins')].map(({ taskArn }) => running(taskArn)));

    expect(new Set(tasks.map(addressOf)).size).toBe(2);
    await Promise.all(tasks.map(pageAt));
    await Promise.all(tasks.map(({ taskArn }) => stop(taskArn)));
  });

  it('outlives kill -9 of the agent in the middle of its start, with one pause container', async () => {
    await define('survivor', [{ name: 'page', ...page('alive') }]);
    const { taskArn } = await run('survivor');
    await eventually('the pause container', async () => containerOf(taskArn, pauseName));
    await cell.agent.kill();
    cell.agent = cell.startAgent();

    const before = await running(taskArn);
    expect(await pageAt(before)).toBe('alive');
    const pause = await containerOf(taskArn, pauseName);

    await cell.agent.kill();
    cell.agent = cell.startAgent();
    await eventually('the agent to be back', async () => (await cell.task(taskArn ?? '')).connectivity === 'CONNECTED');

    expect(addressOf(await running(taskArn))).toBe(addressOf(before));
    expect(await containerOf(taskArn, pauseName)).toBe(pause);
    expect((await cell.containers()).filter((each) => each.taskArn === taskArn)).toHaveLength(2);
    await stop(taskArn);
  });

  it.each([
    ['killed', ['kill'], 'ended: it exited with 137'],
    ['restarted', ['restart', '--time', '0'], 'ended: '],
    ['removed', ['rm', '--force'], 'ended: '],
  ])('ends with the reason when its pause container is %s behind its back', async (_, command, how) => {
    await define('victim', [{ name: 'sleeper', command: ['sleep', '3600'], stopTimeout: 2 }]);
    const { taskArn } = await running((await run('victim')).taskArn);

    await promisify(execFile)('docker', [...command, await containerOf(taskArn, pauseName)]);

    const { stopCode, stoppedReason } = await stopped(taskArn);
    expect(stopCode).toBe('EssentialContainerExited');
    expect(stoppedReason).toContain('the pause container, which holds the task');
    expect(stoppedReason).toContain(how);
    await eventually('everything to have ended', async () => {
      const left = (await cell.containers()).filter((each) => each.taskArn === taskArn);
      const seen = await Promise.all(left.map(({ id }) => cell.engine.inspect(id)));
      return seen.every((each) => each?.state === 'exited');
    });
  });

  it('needs a network configuration', async () => {
    await define('bare', [{ name: 'sleeper', command: ['sleep', '3600'] }]);
    await expect(run('bare', {})).rejects.toThrow("Network Configuration must be provided when networkMode 'awsvpc'");
  });
});

describe('a task that shares namespaces', () => {
  it('pidMode task: one process table, with the pause program as its first', async () => {
    await define(
      'pids',
      [
        { name: 'one', command: ['sleep', '1111'], stopTimeout: 2 },
        { name: 'two', command: ['sleep', '2222'], stopTimeout: 2 },
      ],
      { networkMode: 'bridge', pidMode: 'task' },
    );
    const task = await running((await run('pids', {})).taskArn);

    const processes = await inside(task.taskArn, 'one', 'ps', '-o', 'pid,args');
    expect(processes).toMatch(/^\s*1 \/pause$/m);
    expect(processes).toContain('sleep 2222');
    expect(task.attachments).toEqual([]);
    // What loses its parent becomes the pause program's, and is taken off the table when it ends.
    await inside(task.taskArn, 'one', 'sh', '-c', '(sleep 0.2 &) ; exit 0');
    await eventually('no process left over', async () => {
      const left = await inside(task.taskArn, 'one', 'ps', '-o', 'stat,args');
      return !/^Z/m.test(left) && !left.includes('sleep 0.2');
    });
    await stop(task.taskArn);
  });

  it('ipcMode task: one System V memory; ipcMode host and none, pidMode host: those of the machine or nobody’s', async () => {
    const sleeper = (name: string) => ({ name, command: ['sleep', '3600'], stopTimeout: 2 });
    await define('ipc', [sleeper('one'), sleeper('two')], { networkMode: 'bridge', ipcMode: 'task' });
    await define('hosts', [sleeper('one')], { networkMode: 'bridge', ipcMode: 'host', pidMode: 'host' });
    await define('alone', [sleeper('one'), sleeper('two')], { networkMode: 'bridge', ipcMode: 'none' });
    const [ipc, hosts, alone] = await Promise.all(
      [await run('ipc', {}), await run('hosts', {}), await run('alone', {})].map(({ taskArn }) => running(taskArn)),
    );
    const namespaceOf = (task: Task | undefined, container: string, kind: string) =>
      inside(task?.taskArn, container, 'readlink', `/proc/self/ns/${kind}`);

    expect(await namespaceOf(ipc, 'one', 'ipc')).toBe(await namespaceOf(ipc, 'two', 'ipc'));
    expect(await namespaceOf(alone, 'one', 'ipc')).not.toBe(await namespaceOf(alone, 'two', 'ipc'));
    expect(await inside(alone?.taskArn, 'one', 'sh', '-c', 'grep -c /dev/shm /proc/mounts || true')).toBe('0');
    expect(await inside(hosts?.taskArn, 'one', 'cat', '/proc/1/comm')).not.toBe('sleep');
    await Promise.all([ipc, hosts, alone].map((task) => stop(task?.taskArn)));
  });
});

describe('FARGATE', () => {
  const fargate = { requiresCompatibilities: ['FARGATE' as const], cpu: '256', memory: '512' };

  it('runs a task on a machine of ours and shows the platform', async () => {
    await define('fargate', [{ name: 'page', memory: 256, ...page('$AWS_EXECUTION_ENV') }], fargate);
    const launched = await run('fargate', { networkConfiguration, launchType: 'FARGATE', platformVersion: 'LATEST' });
    const task = await running(launched.taskArn);

    expect(await pageAt(task)).toBe('AWS_ECS_FARGATE');
    expect(task).toMatchObject({
      launchType: 'FARGATE',
      platformVersion: '1.4.0',
      platformFamily: 'Linux',
      cpu: '256',
      memory: '512',
      ephemeralStorage: { sizeInGiB: 20 },
    });
    await stop(task.taskArn);
    const unknown = { networkConfiguration, launchType: 'FARGATE', platformVersion: '0.0.7' } as const;
    await expect(run('fargate', unknown)).rejects.toMatchObject({ name: 'PlatformUnknownException' });
  });

  it('runs what a definition can ask for together', async () => {
    const check = { command: ['CMD-SHELL', 'test -f /shared/ready'], interval: 5, timeout: 2, retries: 3 };
    const shared = [{ sourceVolume: sharedVolume, containerPath: '/shared' }];
    await define(
      'together',
      [
        {
          name: 'app',
          command: ['sh', '-c', 'date > /scratch/started; touch /shared/ready; exec sleep 3600'],
          healthCheck: check,
          mountPoints: shared,
          linuxParameters: { tmpfs: [{ containerPath: '/scratch', size: 8 }] },
          restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
          stopTimeout: 2,
        },
        {
          name: 'sidecar',
          essential: false,
          command: ['sleep', '3600'],
          mountPoints: shared,
          dependsOn: [{ containerName: 'app', condition: 'HEALTHY' }],
          stopTimeout: 2,
        },
      ],
      {
        ...fargate,
        volumes: [
          { name: sharedVolume, dockerVolumeConfiguration: { scope: 'shared', autoprovision: true, driver: 'local' } },
        ],
      },
    );

    const { taskArn } = await run('together', { networkConfiguration, launchType: 'FARGATE' });
    const task = await running(taskArn);
    const metadata = async (rest: string): Promise<unknown> =>
      JSON.parse(await inside(taskArn, 'sidecar', 'sh', '-c', `wget -qO- "$ECS_CONTAINER_METADATA_URI_V4${rest}"`));

    expect(task.healthStatus).toBe('HEALTHY');
    expect(await inside(taskArn, 'sidecar', 'ls', '/shared')).toBe('ready');
    expect(await inside(taskArn, 'app', 'grep', '/scratch', '/proc/mounts')).toMatch(
      /^tmpfs \/scratch tmpfs .*size=8192k/,
    );
    const networks = [{ NetworkMode: 'awsvpc', IPv4Addresses: [addressOf(task)] }];
    expect(await metadata('/task')).toMatchObject({
      TaskARN: taskArn,
      LaunchType: 'FARGATE',
      Limits: { CPU: 0.25, Memory: 512 },
      Containers: [
        { Name: 'app', Type: 'NORMAL', Networks: networks, Health: { status: 'HEALTHY' } },
        { Name: 'sidecar', Type: 'NORMAL', Networks: networks },
        { Name: pauseName, Type: 'CNI_PAUSE' },
      ],
    });
    await eventually('figures', async () => {
      const figures = await metadata('/task/stats');
      const values = Object.values(figures ?? {});
      return values.length >= 2 && values.every((one) => one !== null);
    });
    await stop(taskArn);
  });

  it('keeps a service of two tasks steady', async () => {
    await define('steady', [{ name: 'page', memory: 256, ...page('up') }], fargate);
    await cell.ecs.send(
      new CreateServiceCommand({
        serviceName: 'steady',
        taskDefinition: 'steady',
        desiredCount: 2,
        launchType: 'FARGATE',
        networkConfiguration,
      }),
    );
    const services = ['steady'];
    await waitUntilServicesStable({ client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { services });

    const tasks = await cell.tasks({ serviceName: 'steady' });
    expect(tasks).toHaveLength(2);
    expect(await Promise.all(tasks.map(pageAt))).toEqual(['up', 'up']);
    expect(await cell.service('steady')).toMatchObject({ launchType: 'FARGATE', networkConfiguration });
    await cell.ecs.send(new DeleteServiceCommand({ service: 'steady', force: true }));
    await Promise.all(tasks.map(({ taskArn }) => stopped(taskArn)));
  });
});
