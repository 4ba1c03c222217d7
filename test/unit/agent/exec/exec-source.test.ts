/** Commands in the containers of tasks, on the fake engine. docs/exec.md. */
import { describe, expect, it } from 'vitest';
import { createExecSource, type ContainerExecs } from '#agent/exec/exec-source.ts';
import type { CommandProcess, ContainerProcesses } from '#agent/host/processes.ts';
import type { ExecRequest } from '#agent/session/exec-streams.ts';
import { withContainer, type AgentTask } from '#agent/tasks/agent-task.ts';
import { machineLabel } from '#agent/tasks/container-config.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { anAgentTask, someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { execPrograms } from '#test/support/exec-programs.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { testImage } from '#test/support/test-images.ts';

interface World {
  readonly clock: ManualClock;
  readonly engine: FakeEngine;
  readonly engineId: string;
  readonly execs: ContainerExecs;
  /** What processes were told, as `SIGHUP 1000`. */
  readonly signals: string[];
}

/** One task with one running container; a command ends when it is told SIGKILL. */
async function world(options: { local?: boolean; task?: (task: AgentTask) => AgentTask } = {}): Promise<World> {
  const clock = new ManualClock();
  const engine = new FakeEngine({ clock, random: seededRandom(1) });
  engine.addImage(testImage);
  const waiting = anAgentTask();
  const name = waiting.containers[0]?.engineName ?? '';
  const engineId = await engine.create(
    containerSpec({ name, image: testImage, command: ['sleep', '3600'], labels: { [machineLabel]: 'machine-1' } }),
  );
  await engine.start(engineId);
  const running = withContainer(waiting, 'app', (container) => ({
    ...container,
    phase: { name: 'RUNNING', engineId, startedAt: clock.now(), health: 'UNKNOWN', networkBindings: [] },
  }));
  const task = options.task?.(running) ?? running;
  const signals: string[] = [];
  const processes: ContainerProcesses = {
    find: (pid, containerId) => Promise.resolve<CommandProcess>({ pid, containerId, startTime: '7' }),
    async signalSession({ pid }, signal) {
      const found = (await engine.execPids(engineId)).includes(pid);
      if (found) signals.push(`${signal} ${pid}`);
      if (signal === 'SIGKILL') engine.endExec(pid);
      return found ? 1 : 0;
    },
  };
  const execs = createExecSource({
    engine,
    execEngine: engine,
    machineId: 'machine-1',
    task: (arn) => (arn === someTaskArn ? task : undefined),
    ...(options.local === false ? {} : { processes }),
    clock,
    logger: silentLogger,
  });
  return { clock, engine, engineId, execs, signals };
}

function request(program: { command: readonly string[] }, changes: Partial<ExecRequest> = {}): ExecRequest {
  return { taskArn: someTaskArn, containerName: 'app', command: program.command, interactive: true, ...changes };
}

it('runs a command as root and tells what it says and how it ends', async () => {
  const { execs } = await world();
  const exec = await execs.start(request(execPrograms.tellsEnvironment, { interactive: false }));
  let said = '';
  for await (const { data } of exec.output) said += Buffer.from(data).toString();
  expect(said).toBe('0\n\n');
  expect(await exec.exitCode()).toBe(0);
});

it('tells a command with a terminal what kind it is, and its sizes', async () => {
  const { execs } = await world();
  const terminal = { columns: 100, rows: 30, name: 'vt220' };
  const about = await execs.start(request(execPrograms.tellsEnvironment, { terminal }));
  const first = await about.output[Symbol.asyncIterator]().next();
  expect(Buffer.from(first.value?.data ?? '').toString()).toBe('0\nvt220\n');

  const exec = await execs.start(request(execPrograms.tellsSize, { terminal }));
  exec.resize({ columns: 132, rows: 43 });
  let said = '';
  for await (const { data } of exec.output) {
    said += Buffer.from(data).toString();
    if (said.endsWith('43 132\r\n')) break;
  }
  expect(said).toBe('ready\r\n30 100\r\n43 132\r\n');
});

describe('a command whose client is gone', () => {
  it('is hung up, and killed when it does not end by that', async () => {
    const { execs, clock, signals } = await world();
    const exec = await execs.start(request(execPrograms.waits));
    exec.abandon();
    await clock.advance(0);
    expect(signals).toEqual(['SIGHUP 1000']);
    await clock.advance(2000);
    expect(signals).toEqual(['SIGHUP 1000', 'SIGKILL 1000']);
    await execs.close();
    expect(clock.pendingTimers()).toBe(0);
  });

  it('is told nothing when it has ended', async () => {
    const { execs, clock, signals } = await world();
    const exec = await execs.start(request(execPrograms.echoes));
    exec.endInput();
    exec.abandon();
    await clock.advance(10_000);
    expect(signals).toEqual([]);
    await execs.close();
  });

  it('gets the end of its input where nothing else can be done', async () => {
    const { execs, engine, engineId } = await world({ local: false });
    const exec = await execs.start(request(execPrograms.echoes));
    exec.abandon();
    await execs.close();
    expect(await engine.execPids(engineId)).toEqual([]);
  });
});

describe('commands of an earlier run of the agent', () => {
  it('are ended, before a new one begins', async () => {
    const { execs, engine, engineId, clock, signals } = await world();
    await engine.exec(engineId, { command: execPrograms.waits.command, environment: [], interactive: false });
    execs.open();
    const fresh = await execs.start(request(execPrograms.waits));
    await clock.advance(2000);
    expect(signals).toEqual(['SIGHUP 1000', 'SIGKILL 1000']);
    expect(await engine.execPids(engineId)).toEqual([1001]);
    fresh.abandon();
    await clock.advance(2000);
    await execs.close();
  });

  it('are looked for until the engine answers', async () => {
    const { execs, engine, engineId, clock, signals } = await world();
    await engine.exec(engineId, { command: execPrograms.waits.command, environment: [], interactive: false });
    engine.failNext('list', { kind: 'unreachable', times: 2 });
    execs.open();
    await clock.advance(9000);
    expect(signals).toEqual([]);
    await clock.advance(60_000);
    expect(signals).toEqual(['SIGHUP 1000', 'SIGKILL 1000']);
    await execs.close();
  });
});

it.each([
  ['another’s task', { taskArn: 'arn:other' }, /no longer has task arn:other/],
  ['another container', { containerName: 'web' }, /has no container web/],
])('refuses %s', async (_case, changes, reason) => {
  const { execs } = await world();
  await expect(execs.start(request(execPrograms.waits, changes))).rejects.toThrow(reason);
});

it('refuses a container that does not run', async () => {
  const { execs } = await world({
    task: (task) => withContainer(task, 'app', (container) => ({ ...container, phase: { name: 'PULLED' } })),
  });
  await expect(execs.start(request(execPrograms.waits))).rejects.toThrow('container app does not run');
});
