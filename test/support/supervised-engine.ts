/**
 * The agent's core (supervisor, runners, journal) on the fake engine and a manual clock, without a session: the test plays control by calling the
 * journal as the session would. The agent can be killed like by kill -9, at any of its steps, and started again over what it had saved.
 */
import { createImages } from '#agent/engine/images.ts';
import type { ContainerEngine } from '#agent/engine/container-engine.ts';
import { createSupervisor, type Supervisor } from '#agent/runner/supervisor.ts';
import { openJournal, type Journal, type JournalListener } from '#agent/state/journal.ts';
import type { AgentTask } from '#agent/tasks/agent-task.ts';
import { pauseImage } from '#agent/tasks/pause-container.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import type { Assignment, TaskState } from '#protocol/session/messages.ts';
import { anAssignment } from './fake-control.ts';
import { FakeEngine, type FakeEngineOptions } from './fake-engine.ts';
import { ManualClock } from './manual-clock.ts';
import { SimulatedProcess } from './simulated-process.ts';

export const supervisedMachine = 'machine-1';
export const cleanupWaitMs = 3 * 60 * 60_000;

export interface SupervisedEngine {
  readonly clock: ManualClock;
  readonly engine: FakeEngine;
  readonly journal: Journal;
  /** Begins a new life of the agent. `dieAt`: its n-th step (an engine call, an answer, a save) is its last. */
  start(options?: { dieAt?: number }): void;
  kill(): void;
  stop(): Promise<void>;
  /** Sets the machine's wall clock. */
  setClock(byMs: number): void;
  /** Steps of the current life so far. */
  steps(): number;
  alive(): boolean;
  /** Assigns a task as control would; the definition is of `containers`. */
  assign(id: number, definition: Partial<TaskDefinitionBody>, changes?: Partial<Assignment>): string;
  /** Control wants it stopped. */
  want(taskArn: string, desired: 'STOPPED'): void;
  /** What control would know: the newest snapshot. */
  reported(taskArn: string): TaskState | undefined;
  /** Everything reported so far, in order. */
  readonly reports: readonly TaskState[];
  acknowledgeAll(): void;
  /** From now on every save of a task's state fails, or none does. */
  failSaves(fail: boolean): void;
  task(taskArn: string): AgentTask | undefined;
  supervisor(): Supervisor;
  /** Lets virtual time pass until the task is reported like this. */
  until(taskArn: string, status: TaskState['lastStatus'], limitMs?: number): Promise<TaskState>;
  close(): void;
}

export interface SupervisedEngineOptions {
  seed?: number;
  latency?: FakeEngineOptions['latency'];
  concurrency?: number;
  capacity?: { cpu: number; memoryMiB: number; gpuIds: string[] };
}

export function superviseFakeEngine(options: SupervisedEngineOptions = {}): SupervisedEngine {
  const { seed = 1, latency = { create: 50, start: 200, inspect: 5, stop: 1 }, concurrency = 4 } = options;
  const { capacity = { cpu: 4096, memoryMiB: 8192, gpuIds: [] } } = options;
  const clock = new ManualClock();
  const engine = new FakeEngine({ clock, random: seededRandom(seed), latency });
  engine.addImage('berth-test:busybox', undefined);
  engine.addImage(pauseImage);
  const journal = openJournal({
    path: ':memory:',
    machineId: supervisedMachine,
    logger: silentLogger,
    now: clock.now(),
  });
  const reports: TaskState[] = [];
  const wall = { offsetMs: 0 };
  let life: { process: SimulatedProcess; supervisor: Supervisor; steps: number } | undefined;
  let lives = 0;
  let assignmentNumber = 0;
  let diskFull = false;

  journal.subscribe({
    reportable() {
      const newest = journal.pendingStateChanges(1000).at(-1);
      if (newest !== undefined && newest.number !== reports.at(-1)?.number) reports.push(newest);
    },
  });

  function start({ dieAt = Infinity }: { dieAt?: number } = {}): void {
    lives += 1;
    const process = new SimulatedProcess({ name: `agent#${lives}`, clock, wall, seed: seed + lives });
    const step = (): void => {
      if (life === undefined || life.process !== process) return;
      life.steps += 1;
      if (life.steps >= dieAt) process.kill();
    };
    const ownEngine = engineOf(engine, process, step);
    const supervisor = createSupervisor({
      engine: ownEngine,
      images: createImages({ engine: ownEngine, clock: process.clock, random: process.random, behaviour: 'default' }),
      taskNetwork: { join: () => process.hears(async () => ({ engineNetwork: 'berth-tasks' })) },
      journal: journalOf(journal, process, () => {
        step();
        if (diskFull) throw new Error('database or disk is full');
      }),
      clock: process.clock,
      random: process.random,
      logger: silentLogger,
      machineId: supervisedMachine,
      settings: { defaultStopTimeout: 30, cleanupWaitMs },
      engineConcurrency: concurrency,
    });
    life = { process, supervisor, steps: 0 };
    supervisor.resize(capacity);
    supervisor.start();
  }

  function current(): Supervisor {
    if (life === undefined) throw new Error('the agent was not started');
    return life.supervisor;
  }

  function assign(id: number, definition: Partial<TaskDefinitionBody>, changes: Partial<Assignment> = {}): string {
    const taskArn = `arn:aws:ecs:us-east-1:000000000000:task/default/${id.toString(16).padStart(32, '0')}`;
    const containers = (definition.containerDefinitions ?? []).map(({ name }) => ({
      name,
      containerArn: `${taskArn}/${name}`,
    }));
    const assignment = anAssignment({ taskArn, containers, ...changes });
    assignmentNumber += 1;
    journal.saveAssignments({
      number: assignmentNumber,
      tasks: [assignment],
      definitions: { [assignment.taskDefinitionArn]: { family: 'web', ...definition } },
    });
    return taskArn;
  }

  return {
    clock,
    engine,
    journal,
    start,
    kill: () => life?.process.kill(),
    stop: () => current().stop(),
    setClock(byMs) {
      wall.offsetMs += byMs;
    },
    steps: () => life?.steps ?? 0,
    alive: () => life?.process.alive ?? false,
    assign,
    want(taskArn) {
      assignmentNumber += 1;
      const stop = { stopCode: 'UserInitiated' as const, reason: 'Task stopped by user' };
      const assignment = anAssignment({ taskArn, desiredStatus: 'STOPPED', stop });
      journal.saveAssignments({ number: assignmentNumber, tasks: [assignment], definitions: {} });
    },
    reported: (taskArn) => journal.lastSnapshot(taskArn),
    reports,
    acknowledgeAll() {
      journal.acknowledge(journal.pendingStateChanges(1000).map(({ taskArn, number }) => ({ taskArn, number })));
    },
    failSaves(fail) {
      diskFull = fail;
    },
    task: (taskArn) => current().task(taskArn),
    supervisor: current,
    async until(taskArn, status, limitMs = 120_000) {
      await clock.advanceUntil(() => journal.lastSnapshot(taskArn)?.lastStatus === status, limitMs);
      const snapshot = journal.lastSnapshot(taskArn);
      if (snapshot === undefined) throw new Error('nothing was reported');
      return snapshot;
    },
    close() {
      life?.process.kill();
      journal.close();
    },
  };
}

/** The engine as one process sees it: each call and each answer is a step, and answers to the dead are not heard. */
function engineOf(engine: FakeEngine, process: SimulatedProcess, step: () => void): ContainerEngine {
  function call<Arguments extends unknown[], Result>(method: (...args: Arguments) => Promise<Result>) {
    return (...args: Arguments): Promise<Result> => {
      step();
      return process.hears(async () => {
        const result = await method.apply(engine, args);
        step();
        return result;
      });
    };
  }
  async function* heard<T>(source: AsyncIterable<T>): AsyncIterable<T> {
    for await (const item of source) {
      if (!process.alive) return;
      yield item;
    }
  }
  return {
    ping: call(engine.ping),
    describe: call(engine.describe),
    inspectImage: call(engine.inspectImage),
    listImages: call(engine.listImages),
    removeImage: call(engine.removeImage),
    pull: call(engine.pull),
    create: call(engine.create),
    start: call(engine.start),
    stop: call(engine.stop),
    kill: call(engine.kill),
    remove: call(engine.remove),
    inspect: call(engine.inspect),
    list: call(engine.list),
    createVolume: call(engine.createVolume),
    inspectVolume: call(engine.inspectVolume),
    removeVolume: call(engine.removeVolume),
    events: async (request) => heard(await process.hears(() => engine.events(request))),
    logs: (id, request) => engine.logs(id, request),
  };
}

/** The journal as one process sees it: dead men save nothing and are told nothing. */
function journalOf(journal: Journal, process: SimulatedProcess, step: () => void): Journal {
  return {
    ...journal,
    subscribe(listener: JournalListener) {
      const unsubscribe = journal.subscribe(listener);
      process.onKill(unsubscribe);
      return unsubscribe;
    },
    saveTask(task, snapshot) {
      step();
      process.check();
      journal.saveTask(task, snapshot);
      step();
    },
    forgetTask(taskArn) {
      step();
      process.check();
      journal.forgetTask(taskArn);
    },
  };
}
