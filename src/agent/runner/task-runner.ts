/**
 * The single writer of one task. Facts come in one after the other, from events, from the ends of engine calls, from control; each changes the
 * task through the pure rules, then the next actions are decided, what is new is saved and so reported, and the actions are kicked off. Nothing in here
 * waits: slow work comes back as a fact. What it holds besides the task (what is under way, retries) is worthless after a crash and is found anew
 * by looking at the engine.
 */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import { createBackground } from '#lib/background.ts';
import { watchClockSteps } from '#lib/clock-steps.ts';
import type { Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { arnId } from '#model/arn.ts';
import { taskResources } from '#model/task-definition.ts';
import type { EngineEvent } from '../engine/container-engine.ts';
import { containerNamed, isStopping, taskHasStopped, type AgentTask } from '../tasks/agent-task.ts';
import { taskArnLabel } from '../tasks/container-config.ts';
import { applyFact, type TaskFact } from '../tasks/facts.ts';
import {
  containerSubject,
  nextActions,
  subjectOf,
  type ActionExecutors,
  type ActionKind,
  type Decision,
  type Situation,
  type TaskAction,
} from '../tasks/next-actions.ts';
import { taskLimits } from '../tasks/task-limits.ts';
import { taskSnapshot } from '../tasks/task-state.ts';
import { createContainerLooks } from './container-looks.ts';
import { createExecutors, type Outcome } from './executors.ts';
import type { ResourceClaim } from './host-resources.ts';
import { healthOf, isWorthALook } from './engine-hints.ts';
import { hasFailed, readLastOutput } from './last-output.ts';
import { createMemoryKills } from './memory-kills.ts';
import type { RunnerDependencies } from './runner-ports.ts';
import { bookkeepingKey, createWaitingReasons, reportKey, withPullNews } from './task-report.ts';

export interface TaskRunner {
  readonly taskArn: string;
  task(): AgentTask;
  /** Begins to act. `verify`: containers may exist already, so look at them before deciding anything. */
  begin(options: { verify: boolean }): void;
  deliver(fact: TaskFact): void;
  /** An engine event of one of its containers: a hint to look. */
  hint(container: string, event: EngineEvent): void;
  /** Looks at all its containers again, and retries at once what could not be done. */
  verify(): void;
  /** Whether every container has been looked at since the last `verify`. */
  isVerified(): boolean;
  /** Control has its newest snapshot. */
  acknowledged(): void;
  /** Ends the work of the agent; the containers stay as they are. Resolves when nothing is under way. */
  stop(): Promise<void>;
}

export interface TaskRunnerOptions extends RunnerDependencies {
  task: AgentTask;
  /** Called after each decision. */
  onChange(runner: TaskRunner): void;
  /** The journal could not be written, for this reason; undefined when it could again. */
  onSaveTrouble(taskArn: string, why: string | undefined): void;
  /** Nothing is left of the task; its record is gone. */
  onFinished(taskArn: string): void;
}

const retryBackoff: JitteredBackoffPolicy = { baseMs: 1000, maxMs: 30_000, factor: 2, jitter: 0.2 };

export function createTaskRunner(options: TaskRunnerOptions): TaskRunner {
  const { engine, journal, resources, clock, random, settings, onChange, onSaveTrouble, onFinished } = options;
  const { taskArn } = options.task.assignment;
  const logger = options.logger.child({ taskArn });
  const ending = new AbortController();
  const background = createBackground({
    onError: (name, error) => logger.error({ error, name }, 'an engine step failed in an unforeseen way'),
  });

  let task = options.task;
  const inbox: TaskFact[] = [];
  let deciding = false;
  let begun = false;
  let finished = false;
  let acknowledged = hasAcknowledgedEnd();
  let holdsResources = false;
  const clockStep = watchClockSteps(clock);
  let wake: Timer | undefined;
  let saveFailures = 0;
  let saveAgainAt = 0;

  const busy = new Map<string, ActionKind>();
  const unverified = new Set<string>();
  const retries = new Map<string, { at: number; why: string }>();
  const attempts = new Map<string, number>();
  let waitingReasons = createWaitingReasons();
  const newsOfPulls = new Map<string, string>();
  let savedReport = reportKey(journal.lastSnapshot(taskArn) ?? taskSnapshot(task, new Map()));
  if (task.stop !== undefined && journal.lastSnapshot(taskArn) === undefined) savedReport = '';
  let savedBookkeeping = bookkeepingKey(task);
  /** The task as it was when all that there was to say of it, without reasons to wait, was found saved. */
  let saidAll: AgentTask | undefined;

  const memoryKills = createMemoryKills(async () =>
    taskLimits(task)?.memoryMiB === undefined ? undefined : options.taskCgroups?.memoryKills(arnId(taskArn)),
  );
  const looks = createContainerLooks(askEngine);
  const executors = createExecutors(options, {
    task: () => task,
    deliver,
    look: looks.look,
    pullNews,
    signal: ending.signal,
  });

  /** Whether control has the end. What it has acknowledged may be what came before: all that could be saved while the disk was full. */
  function hasAcknowledgedEnd(): boolean {
    return (
      taskHasStopped(task) && journal.isAcknowledged(taskArn) && journal.lastSnapshot(taskArn)?.lastStatus === 'STOPPED'
    );
  }

  function deliver(fact: TaskFact): void {
    if (ending.signal.aborted) return;
    inbox.push(fact);
    decide();
  }

  /** Shown while the container waits for its image, kept nowhere. */
  function pullNews(container: string, news: string): void {
    if (busy.get(containerSubject(container)) !== 'pull') return;
    newsOfPulls.set(container, news);
    decide();
  }

  /** Works off the inbox and acts until there is nothing new. Never entered twice: facts that come meanwhile are in the inbox. */
  function decide(): void {
    if (!begun || deciding || finished || ending.signal.aborted) return;
    deciding = true;
    try {
      followClock();
      do {
        for (let fact = inbox.shift(); fact !== undefined; fact = inbox.shift()) {
          task = applyFact(task, fact, clock.now());
        }
        step();
      } while (inbox.length > 0);
    } finally {
      deciding = false;
    }
    onChange(runner);
  }

  /** Whatever waits for a moment goes on waiting as long as it would have. Called before a moment is named by the clock as it is now. */
  function followClock(): void {
    const byMs = clockStep();
    if (byMs === 0) return;
    logger.warn({ byMs }, "the machine's clock was set; what waits is moved along");
    inbox.unshift({ kind: 'clockSet', byMs });
    for (const [subject, { at, why }] of retries) retries.set(subject, { at: at + byMs, why });
    saveAgainAt += byMs;
    waitingReasons = createWaitingReasons();
  }

  function step(): void {
    const now = clock.now();
    const situation = currentSituation(now);
    // Admission may have refused the task for good.
    if (inbox.length > 0) return;
    const decision = nextActions(task, situation, now);
    task = decision.task;
    if (taskHasStopped(task)) releaseResources();
    const saveDue = save(decision, now);
    for (const action of decision.actions) begin(action);
    if (decision.finished) finish();
    schedule(decision, saveDue, now);
  }

  function currentSituation(now: number): Situation {
    return {
      busy,
      unverified,
      retries,
      admission: admission(),
      defaultStopTimeout: settings.defaultStopTimeout,
      cleanUp: acknowledged && now >= cleanUpAt(),
    };
  }

  function cleanUpAt(): number {
    return task.stoppedAt === undefined ? Infinity : task.stoppedAt + (task.clockSetMs ?? 0) + settings.cleanupWaitMs;
  }

  function admission(): Situation['admission'] {
    if (holdsResources) return { admitted: true };
    const hasContainers = task.containers.some(({ phase }) => phase.name !== 'NONE' && phase.name !== 'PULLED');
    if (isStopping(task) && (!hasContainers || taskHasStopped(task))) return { admitted: true };
    // What is on its way out takes its share until it has ended, also after a new start of the agent.
    if (unverified.size > 0 && !isStopping(task)) return { admitted: false, why: 'asking the engine what runs' };
    if (hasContainers) {
      holdsResources = true;
      resources.occupy(taskArn, claimOf(task));
      return { admitted: true };
    }
    const answer = resources.request(taskArn, claimOf(task), decide);
    if (answer.kind === 'impossible') {
      const reason = `ResourceInitializationError: ${answer.why}`;
      deliver({ kind: 'refused', cause: { stopCode: 'TaskFailedToStart', reason } });
    }
    holdsResources = answer.kind === 'admitted';
    return answer.kind === 'admitted' ? { admitted: true } : { admitted: false, why: answer.why };
  }

  function releaseResources(): void {
    holdsResources = false;
    resources.release(taskArn);
  }

  /** Saves what is new, and with it the snapshot to report. Returns when to try again, or when a reason becomes worth telling. */
  function save(decision: Decision, now: number): number | undefined {
    const unstarted = [...decision.waiting].filter(([name]) => containerNamed(task, name)?.phase.name !== 'RUNNING');
    const { told, nextAt } = waitingReasons.lasting(new Map(isStopping(task) ? [] : unstarted), now);
    const reasons = withPullNews(task, told, newsOfPulls);
    // Most decisions change nothing.
    if (task === saidAll && reasons.size === 0) return nextAt;
    saidAll = undefined;
    const snapshot = taskSnapshot(task, reasons);
    const report = reportKey(snapshot);
    const bookkeeping = bookkeepingKey(task);
    if (report === savedReport && bookkeeping === savedBookkeeping) {
      if (reasons.size === 0) saidAll = task;
      return nextAt;
    }
    if (now < saveAgainAt) return saveAgainAt;
    try {
      if (report === savedReport) journal.saveTask(task);
      else journal.saveTask(task, snapshot);
    } catch (error) {
      saveAgainAt = now + jittered(retryBackoff, saveFailures, random);
      saveFailures += 1;
      logger.error(
        { error, attempt: saveFailures },
        'the state of a task could not be saved; it is not reported until it is',
      );
      onSaveTrouble(taskArn, messageOf(error));
      return saveAgainAt;
    }
    if (saveFailures > 0) onSaveTrouble(taskArn, undefined);
    saveFailures = 0;
    if (report !== savedReport) {
      acknowledged = false;
      logger.info(
        { lastStatus: snapshot.lastStatus, stopCode: snapshot.stopCode, reason: snapshot.stoppedReason },
        'task state',
      );
    }
    savedReport = report;
    savedBookkeeping = bookkeeping;
    return nextAt;
  }

  function begin(action: TaskAction): void {
    const subject = subjectOf(action);
    if (action.kind === 'cancelPull') {
      background.spawn('cancelPull', execute(executors, action));
      return;
    }
    busy.set(subject, action.kind);
    retries.delete(subject);
    background.spawn(`${action.kind} ${subject}`, perform(action, subject));
  }

  async function perform(action: TaskAction, subject: string): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await execute(executors, action);
    } catch (error) {
      if (ending.signal.aborted) return;
      logger.warn({ error, action }, 'an engine step could not be carried out and is tried again');
      outcome = { kind: 'retry', why: messageOf(error) };
    }
    busy.delete(subject);
    if ('container' in action) newsOfPulls.delete(action.container);
    if (outcome.kind === 'done') attempts.delete(subject);
    else {
      const attempt = attempts.get(subject) ?? 0;
      attempts.set(subject, attempt + 1);
      followClock();
      retries.set(subject, { at: clock.now() + jittered(retryBackoff, attempt, random), why: outcome.why });
    }
    decide();
  }

  /** `now`: the decision's. What became due since then was not due for the decision, so it is still to come. */
  function schedule(decision: Decision, saveDue: number | undefined, now: number): void {
    wake?.cancel();
    wake = undefined;
    const times = [decision.wakeAt, saveDue];
    if (acknowledged && task.stoppedAt !== undefined && !finished) times.push(cleanUpAt());
    const due = times.filter((time) => time !== undefined && time > now);
    if (due.length > 0) wake = clock.after(Math.min(...(due as number[])) - now, decide);
  }

  async function askEngine(container: string): Promise<void> {
    const known = containerNamed(task, container);
    if (known === undefined) return;
    let observation;
    try {
      observation = await memoryKills.look(container, () =>
        engine.inspect(known.engineName, { signal: ending.signal }),
      );
      // Before the look counts, so that nothing is decided between the two.
      if (observation !== undefined && hasFailed(task, container, observation)) {
        const lastOutput = await readLastOutput(observation.id, { engine, clock, signal: ending.signal });
        if (lastOutput.length > 0) observation = { ...observation, lastOutput };
      }
    } catch (error) {
      if (ending.signal.aborted) return;
      // Could not look: nothing is concluded, and everything waits until a look succeeds.
      unverified.add(container);
      throw error;
    }
    unverified.delete(container);
    const ours = observation?.labels[taskArnLabel] === taskArn;
    if (observation !== undefined && ours) deliver({ kind: 'observed', container, observation });
    else deliver({ kind: 'missing', container });
  }

  function hintedLook(container: string): void {
    background.spawn(`look at ${container}`, lookOrRetry(container));
  }

  async function lookOrRetry(container: string): Promise<void> {
    try {
      await looks.look(container);
    } catch (error) {
      logger.warn({ error, container }, 'a container could not be looked at; it is tried again');
      decide();
    }
  }

  function hint(container: string, event: EngineEvent): void {
    const phase = containerNamed(task, container)?.phase;
    if (phase === undefined) return;
    const health = event.action === 'health' ? healthOf(event.detail) : undefined;
    if (health !== undefined && phase.name === 'RUNNING' && !looks.isLooking(container)) {
      deliver({ kind: 'health', container, health });
      return;
    }
    if (isWorthALook(event, phase, busy.get(containerSubject(container)))) hintedLook(container);
  }

  function verify(): void {
    retries.clear();
    attempts.clear();
    for (const { name, phase, removed } of task.containers) {
      // A start that was under way when the agent died may have come through after its task had been given up.
      const over = removed === true || (phase.name === 'STOPPED' && phase.reappeared === 'stopped-again');
      if (!busy.has(containerSubject(name)) && !over) unverified.add(name);
    }
    decide();
  }

  function finish(): void {
    try {
      // A control that was restored may have asked for the end again since it had acknowledged it.
      acknowledged = hasAcknowledgedEnd();
      if (!acknowledged) return;
      journal.forgetTask(taskArn);
    } catch (error) {
      logger.error({ error }, 'an ended task could not be forgotten; it is tried again after the next start');
      return;
    }
    finished = true;
    onFinished(taskArn);
  }

  const runner: TaskRunner = {
    taskArn,
    task: () => task,
    begin({ verify: verifyFirst }) {
      begun = true;
      if (verifyFirst) verify();
      else decide();
    },
    deliver,
    hint,
    verify,
    isVerified: () => unverified.size === 0,
    acknowledged() {
      acknowledged = hasAcknowledgedEnd();
      decide();
    },
    async stop() {
      ending.abort(new Error('the agent stops'));
      wake?.cancel();
      await background.settled();
    },
  };
  return runner;
}

/** What the task asks of its host; its GPUs were chosen by control. */
export function claimOf({ definition, assignment }: AgentTask): ResourceClaim {
  return { ...taskResources(definition, assignment.overrides), gpuIds: assignment.gpuIds };
}

function execute(executors: ActionExecutors<Promise<Outcome>>, action: TaskAction): Promise<Outcome> {
  switch (action.kind) {
    case 'inspect':
      return executors.inspect(action);
    case 'pull':
      return executors.pull(action);
    case 'cancelPull':
      return executors.cancelPull(action);
    case 'createVolume':
      return executors.createVolume(action);
    case 'launch':
      return executors.launch(action);
    case 'start':
      return executors.start(action);
    case 'stop':
      return executors.stop(action);
    case 'remove':
      return executors.remove(action);
    case 'removeVolume':
      return executors.removeVolume(action);
  }
}
