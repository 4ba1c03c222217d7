/** The agent's core on the fake engine: running, ending, surviving, cleaning up. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineError } from '#agent/engine/container-engine.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import { programs } from '#test/support/container-programs.ts';
import { cleanupWaitMs, superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

let world: SupervisedEngine;

beforeEach(() => {
  world = superviseFakeEngine();
});

afterEach(() => world.close());

function container(name: string, changes: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name, image: 'berth-test:busybox', cpu: 100, memory: 64, ...changes };
}

function one(changes: Partial<ContainerDefinition> = {}) {
  return { containerDefinitions: [container('app', changes)] };
}

function onlyName(): string {
  const [only] = world.engine.containers();
  if (only === undefined) throw new Error('there is no container');
  return only.name;
}

describe('a task', () => {
  it('runs, and tells its ports, in the time the engine needs and with two saves', async () => {
    world.start();
    await world.clock.advance(1);
    const task = world.assign(1, one({ portMappings: [{ containerPort: 80 }] }));
    const before = world.clock.now();
    const state = await world.until(task, 'RUNNING');
    expect(state.containers[0]).toMatchObject({
      lastStatus: 'RUNNING',
      networkBindings: [{ containerPort: 80, hostPort: 32_768 }],
    });
    expect(world.clock.now() - before).toBe(50 + 200 + 5);
    // One save of the assignment, one of RUNNING.
    expect(world.reports.map(({ number, lastStatus }) => [number, lastStatus])).toEqual([[1, 'RUNNING']]);
  });

  it('that is killed is reported at once, with its code and cause', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    const before = world.clock.now();
    world.engine.exit(onlyName(), 137);
    const state = await world.until(task, 'STOPPED');
    expect(world.clock.now() - before).toBe(5);
    expect(state).toMatchObject({
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
      containers: [{ exitCode: 137, lastStatus: 'STOPPED' }],
    });
  });

  it('that exits at once has run', async () => {
    world.start();
    const state = await world.until(world.assign(1, one({ command: [...programs.fails.command] })), 'STOPPED');
    expect(state).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 3 }] });
    expect(state.startedAt).toBeDefined();
  });

  it('that runs out of memory says so', async () => {
    world.start();
    const state = await world.until(world.assign(1, one({ command: [...programs.eatsMemory.command] })), 'STOPPED');
    expect(state.containers[0]?.reason).toBe('OutOfMemoryError: Container killed due to memory usage');
  });

  it.each([
    ['whose image is nowhere', one({ image: 'nowhere:1' }), /^CannotPullImageManifestError: /],
    ['whose program is missing', one({ command: [...programs.isMissing.command] }), /^CannotStartContainerError: /],
    [
      'whose port is taken',
      one({ portMappings: [{ containerPort: 80, hostPort: 8080 }] }),
      /^CannotStartContainerError: .*already allocated/,
    ],
    [
      'whose shared volume is missing',
      {
        ...one({ mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }] }),
        volumes: [{ name: 'v', dockerVolumeConfiguration: { scope: 'shared' as const } }],
      },
      /^CannotCreateVolumeError: there is no volume v/,
    ],
  ])('%s fails to start with the reason', async (_, definition, reason) => {
    world.engine.takeHostPort(8080);
    world.start();
    const state = await world.until(world.assign(1, definition), 'STOPPED');
    expect(state.stopCode).toBe('TaskFailedToStart');
    expect(state.stoppedReason).toMatch(reason);
  });

  it('stops when control wants it, gently first', async () => {
    world.start();
    const task = world.assign(1, one({ command: [...programs.ignoresTerm.command], stopTimeout: 7 }));
    await world.until(task, 'RUNNING');
    const before = world.clock.now();
    world.want(task, 'STOPPED');
    await world.until(task, 'STOPPING');
    const state = await world.until(task, 'STOPPED');
    expect(world.clock.now() - before).toBeGreaterThanOrEqual(7000);
    expect(state).toMatchObject({ stopCode: 'UserInitiated', containers: [{ exitCode: 137 }] });
  });

  it('that is stopped before it started never starts', async () => {
    world.start();
    const stop = { stopCode: 'UserInitiated', reason: 'changed my mind' } as const;
    const state = await world.until(world.assign(1, one(), { desiredStatus: 'STOPPED', stop }), 'STOPPED');
    expect(state).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'changed my mind' });
    expect(world.engine.created).toEqual([]);
  });

  it('of several containers starts in order and stops with the essential one', async () => {
    world.start();
    const definition = {
      containerDefinitions: [
        container('app', { dependsOn: [{ containerName: 'init', condition: 'SUCCESS' as const }] }),
        container('init', { essential: false, command: [...programs.succeeds.command] }),
        container('side', { essential: false }),
      ],
    };
    const task = world.assign(1, definition);
    await world.until(task, 'RUNNING');
    expect(world.engine.created.map(({ name }) => name.split('-')[3])).toEqual(['init', 'side', 'app']);
    world.engine.exit(world.task(task)?.containers[0]?.engineName ?? '', 1);
    const state = await world.until(task, 'STOPPED');
    expect(state.containers.map(({ name, exitCode }) => [name, exitCode])).toEqual([
      ['app', 1],
      ['init', 0],
      ['side', 143],
    ]);
  });

  it('reports its health', async () => {
    world.start();
    const task = world.assign(1, one({ healthCheck: { command: ['CMD', 'true'] } }));
    await world.until(task, 'RUNNING');
    world.engine.setHealth(onlyName(), 'UNHEALTHY');
    await world.clock.advance(100);
    expect(world.reported(task)?.healthStatus).toBe('UNHEALTHY');
  });

  it('with a restart policy stays RUNNING in the same container, over a restart of the agent too', async () => {
    world.start();
    const restartPolicy = { enabled: true, restartAttemptPeriod: 60 };
    const task = world.assign(1, one({ restartPolicy }));
    await world.until(task, 'RUNNING');
    await world.clock.advance(61_000);
    world.engine.exit(onlyName(), 1);
    await world.clock.advance(1000);
    expect(world.engine.containers()[0]?.state).toBe('running');
    world.kill();
    world.start();
    await world.clock.advance(1000);
    expect(world.task(task)?.containers[0]?.restarts.count).toBe(1);
    world.engine.exit(onlyName(), 2);
    const state = await world.until(task, 'STOPPED');
    expect(state.containers[0]?.exitCode).toBe(2);
    expect(world.engine.created).toHaveLength(1);
  });

  it('tells what it waits for, once it has waited a second', async () => {
    world.start();
    const blocked = container('app', { dependsOn: [{ containerName: 'slow', condition: 'COMPLETE' as const }] });
    const task = world.assign(1, { containerDefinitions: [blocked, container('slow', { essential: false })] });
    const state = await world.until(task, 'PENDING');
    expect(state.containers).toMatchObject([
      { reason: 'waiting for container slow (COMPLETE)' },
      { lastStatus: 'RUNNING' },
    ]);
  });
});

describe('room on the host', () => {
  it('is waited for with a reason, without holding up others, until the holder has stopped', async () => {
    world = superviseFakeEngine({ capacity: { cpu: 1024, memoryMiB: 1024, gpuIds: [] } });
    world.start();
    const first = world.assign(1, one({ memory: 1000, command: [...programs.ignoresTerm.command] }));
    await world.until(first, 'RUNNING');
    const large = world.assign(2, one({ memory: 512 }));
    const small = world.assign(3, one({ memory: 16 }));
    await world.until(small, 'RUNNING');
    const waiting = await world.until(large, 'PENDING');
    expect(waiting.containers[0]?.reason).toContain('waiting for RESOURCE:MEMORY');
    world.want(first, 'STOPPED');
    await world.until(first, 'STOPPING');
    expect(world.reported(large)?.lastStatus).toBe('PENDING');
    await world.until(first, 'STOPPED');
    await world.until(large, 'RUNNING');
  });

  it('that can never be had fails the task', async () => {
    world.start();
    const state = await world.until(world.assign(1, one({ memory: 100_000 })), 'STOPPED');
    expect(state.stoppedReason).toContain('too small for the task (RESOURCE:MEMORY)');
  });
});

describe('the engine', () => {
  it('that goes away changes nothing, and what ended meanwhile is found when it is back', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    world.engine.goDown();
    await world.clock.advance(20_000);
    expect(world.reported(task)?.lastStatus).toBe('RUNNING');
    expect(world.supervisor().problems().engine).toContain('cannot be reached');
    world.engine.comeBack({ liveRestore: false });
    const state = await world.until(task, 'STOPPED', 600_000);
    expect(state.containers[0]?.exitCode).toBe(137);
    expect(world.supervisor().problems()).toEqual({});
  });

  it('that is away at the start is waited for, with that as the reason', async () => {
    world.engine.goDown();
    world.start();
    const task = world.assign(1, one());
    const state = await world.until(task, 'PENDING');
    expect(state.containers[0]?.reason).toContain('does not answer');
    world.engine.comeBack({ liveRestore: true });
    await world.until(task, 'RUNNING', 600_000);
  });

  it.each([false, true])(
    'that breaks during create (after the effect: %s) makes one container',
    async (afterEffect) => {
      world.start();
      world.engine.failNext('create', { kind: 'unreachable', afterEffect });
      await world.until(world.assign(1, one()), 'RUNNING');
      expect(world.engine.created).toHaveLength(1);
    },
  );

  it('that hangs makes the machine say so, and costs no task', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    world.engine.failNext('ping', { kind: 'hang' });
    await world.clock.advance(62_000);
    expect(world.supervisor().problems().engine).toContain('does not answer: ping took longer');
    await world.clock.advance(60_000);
    expect(world.supervisor().problems()).toEqual({});
    expect(world.reported(task)?.lastStatus).toBe('RUNNING');
  });

  it('that loses a container to somebody else makes the task say so', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    await world.engine.remove(onlyName());
    const state = await world.until(task, 'STOPPED');
    expect(state.containers[0]?.lastStatus).toBe('STOPPED');
  });

  it('whose events are lost is looked at slowly', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    world.engine.failNext('inspect', { kind: 'unreachable', times: 3 });
    world.engine.exit(onlyName(), 9);
    const state = await world.until(task, 'STOPPED', 10 * 60_000);
    expect(state.containers[0]?.exitCode).toBe(9);
  });

  it('on which an ended container is started again stops it again, once', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    const name = onlyName();
    world.engine.exit(name, 0);
    await world.until(task, 'STOPPED');
    const state = () => world.engine.containers()[0]?.state;
    void world.engine.start(name);
    await world.clock.advanceUntil(() => state() === 'running', 1000);
    await world.clock.advanceUntil(() => state() === 'exited', 60_000);
    void world.engine.start(name);
    await world.clock.advance(60_000);
    expect(state()).toBe('running');
  });
});

describe('cleaning up', () => {
  it('waits for the acknowledgement and then for its time, and leaves nothing', async () => {
    world.start();
    const definition = {
      ...one({ mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }], command: [...programs.succeeds.command] }),
      volumes: [{ name: 'v' }],
    };
    const task = world.assign(1, definition);
    await world.until(task, 'STOPPED');
    await world.clock.advance(2 * cleanupWaitMs);
    expect(world.engine.containers()).toHaveLength(1);
    world.acknowledgeAll();
    await world.clock.advance(1000);
    expect(world.engine.containers()).toEqual([]);
    expect(world.engine.volumes()).toEqual([]);
    expect(world.journal.tasks()).toEqual([]);
  });

  it('forgets no end that a restored control asks for once more before it has it again', async () => {
    world.start();
    const task = world.assign(1, one({ command: [...programs.succeeds.command] }));
    await world.until(task, 'STOPPED');
    world.acknowledgeAll();
    await world.clock.advance(cleanupWaitMs / 2);
    world.journal.compareStateChanges([{ taskArn: task, stateChangeNumber: 0 }]);
    await world.clock.advance(cleanupWaitMs);
    expect(world.journal.pendingStateChanges(10)).toMatchObject([{ taskArn: task, lastStatus: 'STOPPED' }]);
    world.acknowledgeAll();
    await world.clock.advance(1000);
    expect(world.journal.tasks()).toEqual([]);
  });

  it('happens after a restart of the agent too', async () => {
    world.start();
    const task = world.assign(1, one({ command: [...programs.succeeds.command] }));
    await world.until(task, 'STOPPED');
    world.acknowledgeAll();
    world.kill();
    world.start();
    await world.clock.advance(cleanupWaitMs - 10_000);
    expect(world.engine.containers()).toHaveLength(1);
    await world.clock.advance(20_000);
    expect(world.engine.containers()).toEqual([]);
  });

  it('ends containers that nobody knows only when control has told its complete set', async () => {
    const labels = { 'berth.machine-id': 'machine-1', 'com.amazonaws.ecs.task-arn': 'arn:lost' };
    world.start();
    await world.until(world.assign(1, one()), 'RUNNING');
    const spec = world.engine.specOf(onlyName());
    if (spec === undefined) throw new Error('no spec');
    await world.clock.advance(0);
    const created = world.engine.create({ ...spec, name: 'lost', labels, ports: [] });
    await world.clock.advance(100);
    await created;
    await world.clock.advance(20 * 60_000);
    expect(world.engine.containers()).toHaveLength(2);
    world.engine.failNext('list', { kind: 'unreachable' });
    world.engine.failNext('remove', { kind: 'internal' });
    world.journal.compareStateChanges([]);
    await world.clock.advance(180_000);
    expect(world.engine.containers().map(({ name }) => name)).toContain('lost');
    await world.clock.advance(60_000);
    expect(world.engine.containers().map(({ name }) => name)).not.toContain('lost');
    expect(world.engine.containers()).toHaveLength(1);
  });

  it('leaves nothing running that the engine started and called a failure', async () => {
    world.start();
    world.engine.failNext('start', { kind: 'internal', afterEffect: true });
    await world.until(world.assign(1, one()), 'STOPPED');
    expect(world.engine.containers().map(({ state }) => state)).toEqual(['exited']);
  });

  it('does not call a container stopped because the engine was silent while it was to be stopped', async () => {
    const { engine, clock } = world;
    const ping = engine.ping.bind(engine);
    let answersFrom = 0;
    engine.ping = (options) =>
      clock.now() < answersFrom ? Promise.reject(new EngineError('unreachable', 'no answer')) : ping(options);
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    answersFrom = clock.now() + 150_000;
    engine.failNext('stop', { kind: 'hang', times: 5 });
    world.want(task, 'STOPPED');
    await clock.advance(300_000);
    await world.until(task, 'STOPPED');
    expect(engine.containers().map(({ state }) => state)).toEqual(['exited']);
  });

  it('counts a container that could be neither started nor stopped as long as it may run', async () => {
    world.start();
    world.engine.failNext('start', { kind: 'internal', afterEffect: true });
    world.engine.failNext('stop', { kind: 'internal' });
    await world.until(world.assign(1, one()), 'RUNNING');
    expect(world.engine.containers().map(({ state }) => state)).toEqual(['running']);
  });
});

describe('a stop of the agent', () => {
  it('touches no container, and the next start takes them over', async () => {
    world.start();
    const task = world.assign(1, one());
    await world.until(task, 'RUNNING');
    await world.stop();
    expect(world.clock.pendingTimers()).toBe(0);
    expect(world.engine.containers()[0]?.state).toBe('running');
    world.start();
    await world.clock.advance(1000);
    expect(world.reports).toHaveLength(1);
    world.engine.exit(onlyName(), 4);
    expect((await world.until(task, 'STOPPED')).containers[0]?.exitCode).toBe(4);
  });

  it('finds afterwards what ended or vanished meanwhile', async () => {
    world.start();
    const [first, second] = [world.assign(1, one()), world.assign(2, one())];
    await world.until(first, 'RUNNING');
    await world.until(second, 'RUNNING');
    const [a, b] = world.engine.containers().map(({ name }) => name);
    world.kill();
    world.engine.exit(a ?? '', 5);
    await world.engine.remove(b ?? '');
    world.start();
    expect((await world.until(first, 'STOPPED')).containers[0]).toMatchObject({ exitCode: 5 });
    expect((await world.until(second, 'STOPPED')).containers[0]?.reason).toMatch(/^ContainerVanishedError/);
  });

  it('ends what a start of its former life has brought up too late', async () => {
    world.start();
    await world.clock.advance(1);
    const task = world.assign(1, one());
    await world.clock.advance(100);
    world.kill();
    world.want(task, 'STOPPED');
    world.start();
    await world.until(task, 'STOPPED', 100);
    world.kill();
    await world.clock.advance(200);
    expect(world.engine.containers()[0]?.state).toBe('running');
    world.start();
    await world.clock.advance(1000);
    expect(world.engine.containers()[0]?.state).toBe('exited');
  });
});
