/** Fields that say when containers start and end, and what their end means, on the real engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StopTaskCommand, type Task } from '@aws-sdk/client-ecs';
import { buildUnwellImage, removeUnwellImage, unwellImage } from '#test/support/test-images.ts';
import { testDockerHost } from '#test/support/docker-test-engine.ts';
import { programs } from '#test/support/container-programs.ts';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { answersOf, container, looking, runToEnd, runUntil, until } from './inside.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
  await buildUnwellImage(testDockerHost);
});
afterAll(async () => {
  await cell.close();
  await removeUnwellImage(testDockerHost);
});

const moment = 'cut -d" " -f1 /proc/uptime';
const idles = [...programs.serves.command];

function part(task: Task, name: string) {
  return task.containers?.find((one) => one.name === name);
}

describe('dependsOn', () => {
  it('lets a container start when those before it have started, ended, succeeded and are healthy', async () => {
    const { said, task } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', {
          dependsOn: [
            { containerName: 'starts', condition: 'START' },
            { containerName: 'completes', condition: 'COMPLETE' },
            { containerName: 'succeeds', condition: 'SUCCESS' },
            { containerName: 'heals', condition: 'HEALTHY' },
          ],
          command: looking({ at: moment }),
        }),
        container('starts', { essential: false, command: looking({ at: moment, stay: 'exec sleep 60' }) }),
        container('completes', { essential: false, command: looking({ wait: 'sleep 1', at: moment, end: 'exit 3' }) }),
        container('succeeds', { essential: false, command: looking({ wait: 'sleep 2', at: moment }) }),
        container('heals', {
          essential: false,
          healthCheck: { command: ['CMD-SHELL', 'test -f /tmp/well'], interval: 5, timeout: 2 },
          command: looking({ wait: 'sleep 1; touch /tmp/well', at: moment, stay: 'exec sleep 60' }),
        }),
      ],
    });
    const at = (name: string) => Number(said[name]?.['at']);
    for (const before of ['starts', 'completes', 'succeeds', 'heals']) expect(at(before)).toBeLessThan(at('app'));
    expect(at('app') - at('heals')).toBeGreaterThan(3);
    expect(part(task, 'app')?.exitCode).toBe(0);
  });

  it('ends a container whose condition can never be met: 143, with the reason', async () => {
    const { task } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', { dependsOn: [{ containerName: 'fails', condition: 'SUCCESS' }], command: idles }),
        container('fails', { essential: false, command: ['sh', '-c', 'exit 3'] }),
      ],
    });
    expect(part(task, 'app')).toMatchObject({
      exitCode: 143,
      reason: 'TaskDependencyError: dependency on fails (SUCCESS) cannot be met: it exited with 3',
    });
  });

  it('waits no longer than the startTimeout of what it waits for', async () => {
    const { task } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', { dependsOn: [{ containerName: 'slow', condition: 'COMPLETE' }], command: idles }),
        container('slow', { essential: false, startTimeout: 2, command: idles }),
      ],
    });
    expect(part(task, 'app')?.reason).toContain('its startTimeout of 2 s is over');
  });
});

describe('a stop', () => {
  it('goes against the order of the start, and gives each container its stopTimeout', async () => {
    const lastWords = (text: string) => ['sh', '-c', `trap 'echo; echo "@@ ${text}"; ${moment}; exit 0' TERM; ${idle}`];
    const task = await runUntil(cell, 'RUNNING', {
      containerDefinitions: [
        container('first', { stopTimeout: 10, command: lastWords('end') }),
        container('second', {
          stopTimeout: 2,
          dependsOn: [{ containerName: 'first', condition: 'START' }],
          command: [...programs.ignoresTerm.command],
        }),
      ],
    });
    const begun = Date.now();
    await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
    const stopped = await until(cell, task.taskArn ?? '', ({ lastStatus }) => lastStatus === 'STOPPED');
    expect(part(stopped, 'second')?.exitCode).toBe(137);
    expect(part(stopped, 'first')?.exitCode).toBe(0);
    expect(Date.now() - begun).toBeGreaterThan(2000);
    expect(await answersOf(cell, part(stopped, 'first')?.runtimeId ?? '')).toHaveProperty('end');
  });
});

const idle = 'while :; do sleep 1 & wait $!; done';

describe('essential', () => {
  it('false lets the task go on without the container, true ends it', async () => {
    const { task, exitCodes } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', {
          dependsOn: [{ containerName: 'side', condition: 'COMPLETE' }],
          command: ['sh', '-c', 'sleep 1; exit 4'],
        }),
        container('side', { essential: false, command: ['sh', '-c', 'exit 5'] }),
        container('other', { essential: false, command: idles }),
      ],
    });
    expect(task.stopCode).toBe('EssentialContainerExited');
    expect(exitCodes).toMatchObject({ app: 4, side: 5, other: 143 });
  });
});

describe('healthCheck', () => {
  it('is the definition’s alone: the image’s own is not run, and what it finds is the health of the task', async () => {
    const task = await runUntil(cell, 'RUNNING', {
      containerDefinitions: [
        container('checked', {
          healthCheck: { command: ['CMD', 'false'], interval: 5, timeout: 2, retries: 1 },
          command: idles,
        }),
        container('image-only', { image: unwellImage, command: idles }),
      ],
    });
    const unhealthy = await until(cell, task.taskArn ?? '', ({ healthStatus }) => healthStatus === 'UNHEALTHY');
    expect(part(unhealthy, 'checked')?.healthStatus).toBe('UNHEALTHY');
    expect(part(unhealthy, 'image-only')?.healthStatus).toBe('UNKNOWN');
    expect(unhealthy.lastStatus).toBe('RUNNING');
    await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
  });
});

describe('dockerLabels', () => {
  it('are labels of the container on the engine', async () => {
    const { task } = await runToEnd(cell, {
      containerDefinitions: [container('app', { command: ['true'], dockerLabels: { 'my.label': 'mine' } })],
    });
    const seen = await cell.engine.inspect(task.containers?.[0]?.runtimeId ?? '');
    expect(seen?.labels).toMatchObject({ 'my.label': 'mine', 'com.amazonaws.ecs.task-arn': task.taskArn });
  });
});
