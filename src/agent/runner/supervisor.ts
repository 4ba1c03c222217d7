/**
 * Owns the task runners. Order at the start: the engine's event stream first, so that nothing is missed; then every container that may exist is
 * looked at and states are corrected; only then is anything new admitted. Afterwards events, and a slow full look that repairs what they missed.
 * An engine that does not answer changes nothing here: runners wait, with that as their reason.
 */
import { createBackground } from '#lib/background.ts';
import type { Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { int } from '#lib/random.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { HostPort } from '#model/resources.ts';
import type { EngineEvent } from '../engine/container-engine.ts';
import { createPortRanges } from '../host/port-ranges.ts';
import type { Journal } from '../state/journal.ts';
import { endedByNow, portsInUse, taskHasStopped, type AgentTask } from '../tasks/agent-task.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '../tasks/container-config.ts';
import { followEngineEvents } from './engine-events.ts';
import { createHostResources, type HostCapacity } from './host-resources.ts';
import { removeOrphans } from './orphans.ts';
import type { RunnerDependencies } from './runner-ports.ts';
import { createTaskRunner, type TaskRunner } from './task-runner.ts';

export interface SupervisorOptions extends Omit<
  RunnerDependencies,
  'journal' | 'resources' | 'portRanges' | 'slots' | 'lookSlots'
> {
  journal: Journal;
  /** How many containers are created or started at once. */
  engineConcurrency: number;
  /** Host ports that others than this agent's tasks use or shall have; none by default. */
  usedPorts?(): Promise<readonly HostPort[]>;
}

export interface Supervisor {
  start(): void;
  /** Ends the agent's work; no container is touched. Resolves when nothing is under way. */
  stop(): Promise<void>;
  /** How large the host is; until it is known nothing new is admitted. */
  resize(capacity: HostCapacity): void;
  /** Why this machine cannot do its work, as far as known: the engine does not answer, the journal cannot be written. */
  problems(): { engine?: string; journal?: string };
  task(taskArn: string): AgentTask | undefined;
  tasks(): AgentTask[];
  /** What is under way, in words: what a stop that takes long waits for. */
  underWay(): string[];
}

/** ecs-agent's steady-state look: every 5 min, spread over 30 s. */
const slowLook = { everyMs: 5 * 60_000, spreadMs: 30_000 };
/** An engine that hangs keeps its event stream open: only a question tells. */
const pingEveryMs = 30_000;
/** One that was silent takes new tasks again soon after it answers. */
const pingSilentEveryMs = 5000;
/** When everything is looked at, so many inspections at a time. */
const looksAtOnce = 8;
/** From control's complete set to the end of containers that nobody knows. */
const orphanGraceMs = 60_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { engine, journal, clock, random, logger, machineId, settings } = options;
  const resources = createHostResources();
  const portRanges = createPortRanges({ used: allUsedPorts, clock, random });
  const slots = createSemaphore(options.engineConcurrency);
  const lookSlots = createSemaphore(looksAtOnce);
  const runners = new Map<string, TaskRunner>();
  const ending = new AbortController();
  const background = createBackground({
    onError: (name, error) => {
      if (!ending.signal.aborted) logger.error({ error, name }, 'background work of the agent failed');
    },
  });
  let begun = false;
  /** Tasks of the journal that have to be seen before anything new is admitted. */
  let toSee: Set<string> | undefined;
  let problem: string | undefined = 'the container engine has not answered yet';
  /** By task. */
  const saveTroubles = new Map<string, string>();
  let silence: string | undefined;
  let pingTimer: Timer | undefined;
  let slowTimer: Timer | undefined;
  let orphanTimer: Timer | undefined;
  let unsubscribe: (() => void) | undefined;

  function add(task: AgentTask): TaskRunner {
    const runner = createTaskRunner({
      ...options,
      resources,
      portRanges,
      slots,
      lookSlots,
      task,
      onChange: seen,
      onSaveTrouble,
      onFinished: forget,
    });
    runners.set(runner.taskArn, runner);
    return runner;
  }

  async function allUsedPorts(): Promise<HostPort[]> {
    const others = (await options.usedPorts?.()) ?? [];
    return [...others, ...[...runners.values()].flatMap((runner) => portsInUse(runner.task()))];
  }

  function onSaveTrouble(taskArn: string, why: string | undefined): void {
    if (why === undefined) saveTroubles.delete(taskArn);
    else saveTroubles.set(taskArn, `the agent's journal cannot be written: ${why}`);
  }

  function forget(taskArn: string): void {
    runners.delete(taskArn);
    saveTroubles.delete(taskArn);
    resources.release(taskArn);
  }

  function seen(runner: TaskRunner): void {
    if (toSee === undefined || toSee.size === 0 || !runner.isVerified()) return;
    toSee.delete(runner.taskArn);
    if (toSee.size === 0) resources.open();
  }

  /** The stream stands or the engine does not answer: either way the runners may begin; what they cannot ask, they ask again. */
  function beginOnce(): boolean {
    if (begun) return false;
    begun = true;
    const known = [...runners.values()];
    toSee = new Set(known.filter((runner) => !taskHasStopped(runner.task())).map(({ taskArn }) => taskArn));
    if (toSee.size === 0) resources.open();
    for (const runner of known) runner.begin({ verify: true });
    return true;
  }

  function opened(): void {
    if (problem !== undefined) logger.info({}, 'the container engine answers');
    problem = undefined;
    if (beginOnce()) return;
    for (const runner of runners.values()) runner.verify();
  }

  function lost(error: unknown): void {
    problem = `the container engine cannot be reached: ${messageOf(error)}`;
    logger.warn({ error }, 'the event stream of the container engine is not open');
    beginOnce();
  }

  function dispatch(event: EngineEvent): void {
    if (event.labels[machineLabel] !== machineId) return;
    const container = event.labels[containerNameLabel];
    const runner = runners.get(event.labels[taskArnLabel] ?? '');
    if (runner !== undefined && container !== undefined) runner.hint(container, event);
  }

  function schedulePing(): void {
    const everyMs = silence === undefined ? pingEveryMs : pingSilentEveryMs;
    pingTimer = clock.after(everyMs, () => background.spawn('ping', ping()));
  }

  async function ping(): Promise<void> {
    try {
      await engine.ping({ signal: ending.signal });
      silence = undefined;
    } catch (error) {
      silence = `the container engine does not answer: ${messageOf(error)}`;
    }
    if (!ending.signal.aborted) schedulePing();
  }

  function scheduleSlowLook(): void {
    slowTimer = clock.after(slowLook.everyMs + int(random, 0, slowLook.spreadMs), () => {
      for (const runner of runners.values()) if (!taskHasStopped(runner.task())) runner.verify();
      scheduleSlowLook();
    });
  }

  /** Control has said what belongs here; once its assignments had time to arrive, what nobody knows may be removed. */
  function expectOrphans(): void {
    orphanTimer?.cancel();
    orphanTimer = clock.after(orphanGraceMs, sweepOrphans);
  }

  function sweepOrphans(): void {
    background.spawn('remove unknown containers', sweepUntilDone());
  }

  /** Nobody says again what belongs here as long as the session stands, so a sweep that was not carried out is repeated. */
  async function sweepUntilDone(): Promise<void> {
    const isKnown = (taskArn: string): boolean => runners.has(taskArn);
    const sweep = { engine, machineId, isKnown, logger, stopTimeoutSeconds: settings.defaultStopTimeout };
    try {
      if ((await removeOrphans({ ...sweep, signal: ending.signal })) === 0) return;
    } catch (error) {
      if (ending.signal.aborted) return;
      logger.warn({ error }, 'the engine could not be asked for unknown containers; it is asked again');
    }
    if (!ending.signal.aborted) expectOrphans();
  }

  return {
    start() {
      for (const task of journal.tasks()) add(endedByNow(task, clock.now()));
      unsubscribe = journal.subscribe({
        added(task) {
          const runner = add(task);
          // After a lost journal its containers may be there already.
          if (begun) runner.begin({ verify: journal.isRebuilt });
        },
        stopWanted: (taskArn, assignmentNumber, cause) =>
          runners.get(taskArn)?.deliver({ kind: 'stopWanted', assignmentNumber, cause }),
        acknowledged: (taskArn) => runners.get(taskArn)?.acknowledged(),
        compared: expectOrphans,
      });
      background.spawn(
        'engine events',
        followEngineEvents({
          engine,
          labelKeys: [taskArnLabel, machineLabel],
          clock,
          random,
          signal: ending.signal,
          opened,
          event: dispatch,
          lost,
        }),
      );
      scheduleSlowLook();
      schedulePing();
    },
    async stop() {
      unsubscribe?.();
      ending.abort(new Error('the agent stops'));
      slowTimer?.cancel();
      pingTimer?.cancel();
      orphanTimer?.cancel();
      await Promise.all([background.settled(), ...[...runners.values()].map((runner) => runner.stop())]);
    },
    resize: resources.resize,
    problems() {
      const engineProblem = problem ?? silence;
      const [journalProblem] = saveTroubles.values();
      return {
        ...(engineProblem !== undefined && { engine: engineProblem }),
        ...(journalProblem !== undefined && { journal: journalProblem }),
      };
    },
    task: (taskArn) => runners.get(taskArn)?.task(),
    tasks: () => [...runners.values()].map((runner) => runner.task()),
    underWay: () => background.names(),
  };
}
