/** A real agent on a real engine, steered by a control that only hands out tasks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { testImage } from '#test/support/test-images.ts';

let agent: AgentProcess;

beforeAll(async () => {
  agent = await openAgentProcess();
  agent.start({ ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1h' });
});

afterAll(() => agent.close());

function container(name: string, changes: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name, image: testImage, cpu: 16, memory: 32, command: [...programs.serves.command], ...changes };
}

function run(...containerDefinitions: ContainerDefinition[]): string {
  return agent.control.run({ containerDefinitions });
}

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

describe('a task', () => {
  it('runs, with its ports, limits, labels and variables, and stops when it shall', async () => {
    const task = run(
      container('app', {
        portMappings: [{ containerPort: 80 }],
        environment: [{ name: 'A', value: '1' }],
        stopTimeout: 2,
      }),
    );
    const running = await agent.control.until(task, is('RUNNING'));
    expect(running.containers[0]?.networkBindings[0]).toMatchObject({ containerPort: 80, protocol: 'tcp' });
    const [seen] = await agent.containers(task);
    expect(seen).toMatchObject({ state: 'running', id: running.containers[0]?.runtimeId });
    agent.control.stop(task, 'enough');
    const stopped = await agent.control.until(task, is('STOPPED'));
    expect(stopped).toMatchObject({
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
      containers: [{ exitCode: 143 }],
    });
  });

  it.each([
    [
      'that exits with 3',
      programs.fails.command,
      { stopCode: 'EssentialContainerExited', containers: [{ exitCode: 3 }] },
    ],
    [
      'that ends well',
      programs.succeeds.command,
      { stopCode: 'EssentialContainerExited', containers: [{ exitCode: 0 }] },
    ],
    [
      'whose program is missing',
      programs.isMissing.command,
      { stopCode: 'TaskFailedToStart', stoppedReason: expect.stringMatching(/^CannotStartContainerError: /) },
    ],
    [
      'that runs out of memory',
      programs.eatsMemory.command,
      { containers: [{ exitCode: 137, reason: 'OutOfMemoryError: Container killed due to memory usage' }] },
    ],
  ])('%s says so', async (_, command, expected) => {
    const stopped = await agent.control.until(run(container('app', { command: [...command] })), is('STOPPED'));
    expect(stopped).toMatchObject(expected);
  });

  it('whose image is nowhere says so', async () => {
    const missing = container('app', { image: '127.0.0.1:1/none:1' });
    const stopped = await agent.control.until(run(missing), is('STOPPED'), 60_000);
    expect(stopped).toMatchObject({
      stopCode: 'TaskFailedToStart',
      stoppedReason: expect.stringMatching(/^CannotPullContainerError: /),
    });
  });

  it('that does not listen to SIGTERM is killed when its time is over', async () => {
    const task = run(container('app', { command: [...programs.ignoresTerm.command], stopTimeout: 2 }));
    await agent.control.until(task, is('RUNNING'));
    agent.control.stop(task);
    await agent.control.until(task, is('STOPPING'));
    const stopped = await agent.control.until(task, is('STOPPED'));
    expect(stopped.containers[0]?.exitCode).toBe(137);
  });

  it('of several containers keeps their order, and ends with the essential one', async () => {
    const volume = { sourceVolume: 'shared-data', containerPath: '/data' };
    const task = agent.control.run({
      containerDefinitions: [
        container('app', {
          command: ['/bin/sh', '-c', 'test -f /data/ready || exit 9; sleep 1; exit 4'],
          mountPoints: [volume],
          dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }],
        }),
        container('init', { essential: false, mountPoints: [volume], command: ['/bin/sh', '-c', 'touch /data/ready'] }),
        container('side', { essential: false, stopTimeout: 2 }),
      ],
      volumes: [{ name: 'shared-data' }],
    });
    await agent.control.until(task, is('RUNNING'));
    const stopped = await agent.control.until(task, is('STOPPED'));
    expect(stopped.containers.map(({ name, exitCode }) => [name, exitCode])).toEqual([
      ['app', 4],
      ['init', 0],
      ['side', 143],
    ]);
  });

  it('whose container somebody kills or removes says so at once', async () => {
    const [killed, removed] = [run(container('app')), run(container('app'))];
    await agent.control.until(killed, is('RUNNING'));
    await agent.control.until(removed, is('RUNNING'));
    await agent.engine.kill((await agent.containers(killed))[0]?.id ?? '', 'SIGKILL');
    expect((await agent.control.until(killed, is('STOPPED'), 5000)).containers[0]?.exitCode).toBe(137);
    await agent.engine.remove((await agent.containers(removed))[0]?.id ?? '');
    const gone = await agent.control.until(removed, is('STOPPED'), 5000);
    expect(gone.stopCode).toBe('EssentialContainerExited');
  });

  it('tells its health', async () => {
    const healthCheck = { command: ['CMD', '/bin/true'], interval: 5, retries: 1 };
    const task = run(container('app', { healthCheck }));
    const healthy = await agent.control.until(task, (state) => state.healthStatus === 'HEALTHY', 40_000);
    expect(healthy.lastStatus).toBe('RUNNING');
  });
});
