/** kill -9 of the agent at each step of a task's start and stop: right before and right after every call to the engine and every write to the journal. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import { arnId } from '#model/arn.ts';
import { taskStatusRank } from '#model/task.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { testDockerHost } from '#test/support/docker-test-engine.ts';
import { openEngineProxy, type CallKind, type EngineProxy, type Moment } from '#test/support/engine-proxy.ts';
import { recordEngine, type EngineRecorder } from '#test/support/engine-recorder.ts';
import { dyingAtSave } from '#test/support/preloads.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage, testImageEntries } from '#test/support/test-images.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

/** All that the agent asks the engine for one task, each with the how-manieth of its kind it is. */
const callsOfAStart = [
  ['inspectImage', 1],
  ['pull', 1],
  ['inspectImage', 2],
  ['createVolume', 1],
  ['create', 1],
  ['start', 1],
  ['inspect', 1],
] as const;
const callsOfAStop = [
  ['stop', 1],
  ['inspect', 1],
  ['remove', 1],
  ['removeVolume', 1],
] as const;
/** Assignment, use of the image, RUNNING, wish, STOPPING, STOPPED, three acknowledgements; the end of the record. */
const fewestSaves = 9;
const limitMs = 30_000;

let registry: TestRegistry;
let pulledImage = '';

beforeAll(async () => {
  registry = await startTestRegistry(`killed ${process.pid}`, { entries: await testImageEntries() });
  pulledImage = `${registry.address}/killed:${registry.tag}`;
});

afterAll(async () => {
  const engine = createDockerEngine({ dockerHost: testDockerHost, clock: systemClock });
  await engine.removeImage(pulledImage);
  engine.close();
  await registry.close();
});

/** With a volume and a container, both of which the agent takes away again. */
function definition(image: string): Pick<TaskDefinitionBody, 'containerDefinitions' | 'volumes'> {
  const app = { name: 'app', image, memory: 32, command: [...programs.stopsGracefully.command], stopTimeout: 5 };
  return {
    containerDefinitions: [{ ...app, mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }] }],
    volumes: [{ name: 'data' }],
  };
}

interface World {
  agent: AgentProcess;
  proxy: EngineProxy;
  recorder: EngineRecorder;
  /** Begins a life of the agent and waits until control knows it. */
  start(): Promise<void>;
  close(): Promise<void>;
}

async function openWorld(pulls: 'always' | 'prefer-cached'): Promise<World> {
  const proxy = await openEngineProxy();
  const agent = await openAgentProcess({ agentDockerHost: proxy.host });
  const recorder = await recordEngine(agent.engine);
  return {
    agent,
    proxy,
    recorder,
    async start() {
      rmSync(saveFile(agent), { force: true });
      const before = agent.control.registrations();
      agent.start({
        ECS_IMAGE_PULL_BEHAVIOR: pulls,
        ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s',
        ...dyingAtSave(saveFile(agent)),
      });
      await eventually('the session', async () => agent.control.registrations() > before);
    },
    async close() {
      await agent.kill();
      await recorder.close();
      await agent.close();
      await proxy.close();
    },
  };
}

function saveFile({ folder }: AgentProcess): string {
  return join(folder, 'die-at-save');
}

async function untilRunning({ agent }: World, task: string): Promise<void> {
  await agent.untilUp(task);
}

/** Until the last trace of it is gone. */
async function untilGone({ agent, recorder }: World, task: string): Promise<void> {
  await agent.control.until(task, ({ lastStatus }) => lastStatus === 'STOPPED');
  await recorder.untilGone(task);
  const volume = `ecs-e2e-1-data-${shortId(task)}00`;
  await eventually('the end of its volume', async () => (await agent.engine.inspectVolume(volume)) === undefined);
}

/** As it is in the names on the engine. */
function shortId(task: string): string {
  return arnId(task).slice(-18);
}

function expectOneOrderlyLife({ agent, recorder }: World, task: string): void {
  expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die', 'destroy']);
  const history = agent.control.history(task);
  const ranks = history.map(({ lastStatus }) => taskStatusRank(lastStatus));
  expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
  expect(history.at(-1)).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'enough' });
  expect(history.at(-1)?.containers).toMatchObject([{ exitCode: 0 }]);
}

interface Death {
  moment: Moment;
  call: readonly [CallKind, number];
  /** Tasks that are left alone meanwhile. */
  others: readonly string[];
}

/** Does `act`, kills the agent when it is at that call, and starts it again. */
async function dieAt<T>(world: World, { moment, call: [kind, nth], others }: Death, act: () => T): Promise<T> {
  let seen = 0;
  const isOthers = (path: string): boolean => others.some((task) => path.includes(shortId(task)));
  const there = world.proxy.standstill(moment, (call) => call.kind === kind && !isOthers(call.path) && ++seen === nth);
  const acted = act();
  await deadline(systemClock, limitMs, `call ${nth} of ${kind}`, there);
  await world.agent.kill();
  await world.start();
  return acted;
}

async function dieAtEachCall(moment: Moment): Promise<void> {
  const world = await openWorld('always');
  const { agent } = world;
  try {
    await world.start();
    const tasks: string[] = [];
    for (const call of callsOfAStart) {
      const run = () => agent.control.run(definition(pulledImage));
      const task = await dieAt(world, { moment, call, others: tasks }, run);
      await untilRunning(world, task);
      tasks.push(task);
    }
    const running = new Map(
      await Promise.all(tasks.map(async (task) => [task, await agent.containers(task)] as const)),
    );
    const leaving = tasks.slice(0, callsOfAStop.length);
    for (const [index, call] of callsOfAStop.entries()) {
      const task = leaving[index] ?? '';
      const others = tasks.filter((other) => other !== task);
      await dieAt(world, { moment, call, others }, () => agent.control.stop(task, 'enough'));
      await untilGone(world, task);
    }
    const untouched = tasks.filter((task) => !leaving.includes(task));
    for (const task of untouched) {
      expect(await agent.containers(task)).toEqual(running.get(task));
      agent.control.stop(task, 'enough');
    }
    await Promise.all(untouched.map((task) => untilGone(world, task)));
    for (const task of tasks) expectOneOrderlyLife(world, task);
  } finally {
    await world.close();
  }
}

/** One save further with each task, until a task is over before the agent is. Resolves to how many there were. */
async function dieAtEachSave(moment: Moment): Promise<number> {
  const world = await openWorld('prefer-cached');
  const { agent } = world;
  try {
    await world.start();
    const bystander = agent.control.run(definition(testImage));
    await untilRunning(world, bystander);
    const untouched = await agent.containers(bystander);
    for (let nth = 1; ; nth++) {
      writeFileSync(saveFile(agent), `${moment} ${nth}`);
      const task = agent.control.run(definition(testImage));
      const life = live(world, task);
      const died = agent.ended().then(() => true);
      // The last save comes right after the last trace has gone.
      const isDead = await Promise.race([died, life.then(() => systemClock.sleep(200)).then(() => false)]);
      if (!isDead) {
        expect(await agent.containers(bystander)).toEqual(untouched);
        expect(agent.control.history(bystander).map(({ lastStatus }) => lastStatus)).not.toContain('STOPPED');
        return nth - 1;
      }
      await world.start();
      await life;
      expectOneOrderlyLife(world, task);
    }
  } finally {
    await world.close();
  }
}

async function live(world: World, task: string): Promise<void> {
  await untilRunning(world, task);
  world.agent.control.stop(task, 'enough');
  await untilGone(world, task);
}

describe.concurrent('kill -9 of the agent', () => {
  it.each<Moment>(['before', 'after'])(
    'right %s each call to the engine loses nothing and makes nothing twice',
    dieAtEachCall,
  );

  it.each<Moment>(['before', 'after'])(
    'right %s each write to the journal loses nothing and makes nothing twice',
    async (moment) => {
      expect(await dieAtEachSave(moment)).toBeGreaterThanOrEqual(fewestSaves);
    },
  );

  it('leaves out no call: a task that nothing happens to makes these', async () => {
    const world = await openWorld('always');
    try {
      await world.start();
      const before = world.proxy.calls.length;
      await live(world, world.agent.control.run(definition(pulledImage)));
      const kinds = world.proxy.calls.slice(before).map(({ kind }) => kind);
      const expected = [...callsOfAStart, ...callsOfAStop].map(([kind]) => kind);
      expect(new Set(kinds.filter((kind) => kind !== 'other'))).toEqual(new Set(expected));
    } finally {
      await world.close();
    }
  });
});
