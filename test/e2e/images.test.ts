/** Images from a registry to a running task and off the disk again: progress, failures by name, one digest for a deployment, cleaning up. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RunTaskCommand,
  StopTaskCommand,
  UpdateServiceCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';
import { testImage, testImageEntries } from '#test/support/test-images.ts';

/** Its process hears SIGTERM. */
const endsAtOnce = { linuxParameters: { initProcessEnabled: true } };
const password = { username: 'me', password: 'se:cret' };

let registry: TestRegistry;
let cell: RealCell;
const repositories: string[] = [];

beforeAll(async () => {
  registry = await startTestRegistry(`first ${process.pid}`, { password, entries: await testImageEntries() });
  cell = await openRealCell({
    agent: {
      ECS_IMAGE_PULL_BEHAVIOR: 'default',
      ECS_ENGINE_AUTH_TYPE: 'docker',
      ECS_ENGINE_AUTH_DATA: JSON.stringify({ [registry.address]: password }),
      ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s',
      ECS_IMAGE_CLEANUP_INTERVAL: '1s',
      ECS_IMAGE_MINIMUM_CLEANUP_AGE: '0s',
    },
  });
});

afterEach(() => registry.behave({}));

afterAll(async () => {
  await cell.close();
  for (const { tags, digests } of await cell.engine.listImages()) {
    const names = [...tags, ...digests].filter((name) => repositories.some((own) => name.startsWith(own)));
    for (const name of names) await cell.engine.removeImage(name);
  }
  await registry.close();
});

/** A repository nobody has pulled from yet. */
function newImage(name: string): string {
  repositories.push(`${registry.address}/${name}`);
  return `${registry.address}/${name}:${registry.tag}`;
}

async function run(family: string, image: string): Promise<string> {
  await cell.register(family, { image, ...endsAtOnce });
  const { tasks: [task] = [], failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: family }));
  expect(failures).toEqual([]);
  return task?.taskArn ?? '';
}

async function reached(arn: string, status: string): Promise<Task> {
  return eventually(`${family(arn)} ${status}`, async () => {
    const task = await cell.task(arn);
    return task.lastStatus === status && task;
  });
}

function family(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

describe('a pull', () => {
  it('by the agent’s own credentials gives the task its image and tells the digest', async () => {
    const arn = await run('private', newImage('private'));
    const task = await reached(arn, 'RUNNING');
    expect(task.containers).toMatchObject([{ image: newImage('private'), imageDigest: registry.digest }]);
    await cell.ecs.send(new StopTaskCommand({ task: arn }));
  });

  it('that takes its time says how far it has come, seldom enough', async () => {
    await registry.push(`slow ${process.pid}`);
    registry.behave({ bytesPerSecond: 150_000 });
    const image = newImage('slow');
    const arn = await run('slow', image);
    const pending = await eventually('progress', async () => {
      const task = await cell.task(arn);
      return task.containers?.[0]?.reason?.includes('%') && task;
    });
    expect(pending.lastStatus).toBe('PENDING');
    expect(pending.containers?.[0]?.reason).toMatch(/^pulling .*\/slow:1: \d+ % of \d+\.\d MB$/);
    const running = await reached(arn, 'RUNNING');
    const seconds = ((running.pullStoppedAt?.getTime() ?? 0) - (running.pullStartedAt?.getTime() ?? 0)) / 1000;
    expect(running.version).toBeLessThan(6 + seconds / 2);
    await cell.ecs.send(new StopTaskCommand({ task: arn }));
  });

  it('that the registry limits waits, says so, and ends well', async () => {
    const limited = { status: 429, code: 'TOOMANYREQUESTS', message: 'slow down' };
    registry.behave({ manifestError: limited });
    const arn = await run('limited', newImage('limited'));
    await eventually('the wait', async () =>
      (await cell.task(arn)).containers?.[0]?.reason?.match(/: trying again in \d+ s: .*slow down/),
    );
    registry.behave({});
    expect((await reached(arn, 'RUNNING')).containers?.[0]?.reason).toBeUndefined();
    await cell.ecs.send(new StopTaskCommand({ task: arn }));
  });

  it.each([
    [
      'missing',
      { manifestError: { status: 404, code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' } },
      /^CannotPullImageManifestError: the registry has no such image: /,
    ],
    [
      'forbidden',
      { manifestError: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' } },
      /^CannotPullContainerAuthError: /,
    ],
    [
      'foreign',
      { isForAnotherMachine: true },
      /^CannotPullImageManifestError: the image is not made for this machine: /,
    ],
  ])('of an image that is %s fails at once, by its name', async (name, behaviour, reason) => {
    registry.behave(behaviour);
    const task = await reached(await run(name, newImage(name)), 'STOPPED');
    expect(task).toMatchObject({ stopCode: 'TaskFailedToStart', stoppedReason: expect.stringMatching(reason) });
  });
});

describe('a service', () => {
  it('runs one digest for a deployment although its tag moves, and the old task until the new image is here', async () => {
    await registry.push(`pinned ${process.pid}`);
    const first = registry.digest;
    await cell.register('pinned', { image: newImage('pinned'), ...endsAtOnce });
    const service = { serviceName: 'pinned', taskDefinition: 'pinned', desiredCount: 1 };
    await cell.ecs.send(new CreateServiceCommand(service));
    const running = async (count: number) => {
      const tasks = await cell.tasks({ serviceName: 'pinned' });
      return tasks.length === count && tasks.every(({ lastStatus }) => lastStatus === 'RUNNING') && tasks;
    };
    const digests = (tasks: readonly Task[]) => tasks.map(({ containers }) => containers?.[0]?.imageDigest);
    const [old] = await eventually('the first task', () => running(1));
    expect(old?.containers?.[0]?.imageDigest).toBe(first);

    await registry.push(`moved ${process.pid}`);
    await cell.ecs.send(new UpdateServiceCommand({ service: 'pinned', desiredCount: 2 }));
    expect(digests(await eventually('the second task', () => running(2)))).toEqual([first, first]);

    registry.behave({ bytesPerSecond: 250_000 });
    await cell.ecs.send(new UpdateServiceCommand({ service: 'pinned', forceNewDeployment: true, desiredCount: 1 }));
    let servedThroughout = true;
    const [renewed] = await eventually('the new digest', async () => {
      const tasks = await cell.tasks({ serviceName: 'pinned' });
      servedThroughout &&= tasks.some(({ lastStatus }) => lastStatus === 'RUNNING');
      const isOver = tasks.length === 1 && digests(tasks)[0] === registry.digest && tasks[0]?.lastStatus === 'RUNNING';
      return isOver && tasks;
    });
    expect(renewed?.containers?.[0]?.image).toBe(newImage('pinned'));
    expect(servedThroughout).toBe(true);
    await cell.ecs.send(new DeleteServiceCommand({ service: 'pinned', force: true }));
  });
});

describe('an image', () => {
  it('stays while a task has it and goes when the last one is cleaned up', async () => {
    await registry.push(`cleaned ${process.pid}`);
    const image = newImage('cleaned');
    const arn = await run('cleaned', image);
    await reached(arn, 'RUNNING');
    // Everything else of these tests is gone by then, so cleaning has been at work.
    await eventually('the other images to go', async () => {
      const own = (await cell.engine.listImages())
        .flatMap(({ tags }) => tags)
        .filter((tag) => tag.startsWith(registry.address));
      expect(own).toEqual([image]);
      return true;
    });
    await cell.ecs.send(new StopTaskCommand({ task: arn }));
    await eventually('the image to go', async () => (await cell.engine.inspectImage(image)) === undefined);
    expect(await cell.engine.inspectImage(testImage)).toBeDefined();
  });
});
