/**
 * What to do next for a task: next steps, not a plan. Called after every fact; returns only what is safe now, the task with what the decision
 * itself settles (containers that will never start), when to look again, and what each container waits for.
 *
 * Starting: pull at once, whatever else is awaited; launch when admitted, volumes are there and dependencies are met.
 * Stopping: what never ran is over at once; what runs is stopped when everything that depends on it has ended.
 */
import type { ContainerDefinition } from '#model/container-definition.ts';
import {
  definitionOf,
  imageReference,
  isStopping,
  taskHasStopped,
  withContainer,
  type AgentContainer,
  type AgentTask,
} from './agent-task.ts';
import { dependencyProblem, dependencyVerdict, dependentsStillAlive } from './dependencies.ts';
import { settle, stopped } from './facts.ts';
import { dependencyFailureExitCode, dependencyReason } from './stop-reason.ts';

interface ActionDetails {
  /** Ask the engine what became of it. */
  inspect: { container: string };
  pull: { container: string; image: string };
  /** End a pull that nobody needs any more. */
  cancelPull: { container: string };
  createVolume: { volume: string };
  /** Create, then start unless the task began to stop meanwhile. */
  launch: { container: string };
  start: { container: string };
  stop: { container: string; timeoutSeconds: number };
  remove: { container: string };
  removeVolume: { volume: string };
}

export type ActionKind = keyof ActionDetails;
export type TaskAction = { [Kind in ActionKind]: { kind: Kind } & ActionDetails[Kind] }[ActionKind];
/** One executor for each kind of action: a forgotten one does not compile. */
export type ActionExecutors<Result> = {
  [Kind in ActionKind]: (action: Extract<TaskAction, { kind: Kind }>) => Result;
};

/** What an action works on; at most one action works on a subject at a time. */
export function subjectOf(action: TaskAction): string {
  return 'volume' in action ? volumeSubject(action.volume) : containerSubject(action.container);
}

export function containerSubject(name: string): string {
  return `container:${name}`;
}

function volumeSubject(name: string): string {
  return `volume:${name}`;
}

/** What the task runner knows besides the task itself; nothing of it survives a restart. */
export interface Situation {
  /** Subjects with an action under way, and which. */
  busy: ReadonlyMap<string, ActionKind>;
  /** Containers whose real state has to be looked at before anything is decided. */
  unverified: ReadonlySet<string>;
  /** Subjects whose last action could not be carried out, and when to try again. */
  retries: ReadonlyMap<string, { at: number; why: string }>;
  /** Whether the host has room; otherwise what is missing. */
  admission: { admitted: true } | { admitted: false; why: string };
  /** For containers without a stopTimeout of their own, seconds. */
  defaultStopTimeout: number;
  /** The end is acknowledged and the time to keep what is left of it is over. */
  cleanUp: boolean;
}

export interface Decision {
  task: AgentTask;
  actions: TaskAction[];
  /** Epoch milliseconds; decide again then even if nothing happens. */
  wakeAt?: number;
  /** Why a container (by name) does not move, in words for the user. */
  waiting: ReadonlyMap<string, string>;
  /** Cleaned up: nothing of it is left on the engine. */
  finished: boolean;
}

export function nextActions(task: AgentTask, situation: Situation, now: number): Decision {
  const draft = createDraft(situation, now);
  const problem = startProblem(task);
  let current = task;
  if (problem !== undefined && current.stop === undefined) {
    current = settle({ ...current, stop: { stopCode: 'TaskFailedToStart', reason: problem } }, now);
  }
  if (situation.unverified.size > 0) {
    for (const container of situation.unverified)
      draft.act({ kind: 'inspect', container }, 'asking the engine for its state');
    return draft.decision(current);
  }
  // A container that can never start may end its task, and that ends others: decide anew until nothing changes.
  let before;
  do {
    before = current;
    if (!isStopping(current)) current = withoutHopeless(current, now);
    if (isStopping(current)) current = withoutUnstarted(current, situation, now);
  } while (current !== before);
  if (taskHasStopped(current)) afterTheEnd(current, situation, draft);
  else if (isStopping(current)) stopNext(current, situation, draft);
  else startNext(current, situation, draft, now);
  return draft.decision(current);
}

/** Why a definition cannot be run by this agent at all. */
function startProblem(task: AgentTask): string | undefined {
  const dependency = dependencyProblem(task.definition);
  return dependency === undefined ? undefined : dependencyReason(dependency);
}

/** Containers whose dependencies can never be met end without having started. */
function withoutHopeless(task: AgentTask, now: number): AgentTask {
  for (const container of task.containers) {
    if (!isUnstarted(container)) continue;
    const definition = definitionOf(task, container.name);
    if (definition === undefined) continue;
    const verdict = dependencyVerdict(task, definition, now);
    if (verdict.kind !== 'failed') continue;
    const end = { stoppedAt: now, exitCode: dependencyFailureExitCode, reason: dependencyReason(verdict.why) };
    const ended = withContainer(task, container.name, (one) => ({ ...one, phase: stopped(one.phase, end) }));
    return settle(ended, now);
  }
  return task;
}

/** In a task that stops, what was not started is over, unless a call that may yet start it is under way. */
function withoutUnstarted(task: AgentTask, { busy }: Situation, now: number): AgentTask {
  for (const container of task.containers) {
    const idle = !busy.has(containerSubject(container.name));
    const restartDue = container.phase.name === 'RUNNING' && container.phase.restartDue !== undefined;
    if (!idle || !(isUnstarted(container) || restartDue)) continue;
    const ended = withContainer(task, container.name, (one) => ({
      ...one,
      phase: stopped(one.phase, { stoppedAt: now }),
    }));
    return settle(ended, now);
  }
  return task;
}

function isUnstarted({ phase }: AgentContainer): boolean {
  return phase.name === 'NONE' || phase.name === 'PULLED' || phase.name === 'CREATED';
}

function startNext(task: AgentTask, situation: Situation, draft: Draft, now: number): void {
  for (const volume of task.volumes) {
    if (volume.status === 'NONE') draft.act({ kind: 'createVolume', volume: volume.name });
  }
  const volumesMissing = task.volumes.filter((volume) => volume.status === 'NONE').map((volume) => volume.name);
  for (const container of task.containers) {
    const definition = definitionOf(task, container.name);
    if (definition === undefined) continue;
    const { name } = container;
    if (container.phase.name === 'NONE') {
      const image = imageReference(task, definition);
      draft.act({ kind: 'pull', container: name, image }, pullingReason(definition));
      if (!situation.admission.admitted) draft.wait(name, situation.admission.why);
      continue;
    }
    if (container.phase.name === 'RUNNING' && container.phase.restartDue) {
      if (container.phase.restartDue.at > now) draft.wakeAt(container.phase.restartDue.at);
      else draft.act({ kind: 'start', container: name });
    }
    if (!isUnstarted(container)) continue;
    const verdict = dependencyVerdict(task, definition, now);
    if (!situation.admission.admitted) draft.wait(name, situation.admission.why);
    else if (volumesMissing.length > 0) draft.wait(name, `waiting for volume ${volumesMissing.join(', ')}`);
    else if (verdict.kind === 'waiting') {
      draft.wait(name, `waiting for container ${verdict.for.on} (${verdict.for.condition})`);
      draft.wakeAt(verdict.deadline);
    } else if (verdict.kind === 'met') {
      const kind = container.phase.name === 'CREATED' ? 'start' : 'launch';
      draft.act({ kind, container: name }, kind === 'start' ? 'starting' : 'creating');
    }
  }
}

/** What a container waits for while its image is pulled; how far the pull has come is added as it is told. */
export function pullingReason({ image }: Pick<ContainerDefinition, 'image'>): string {
  return `pulling ${image}`;
}

function stopNext(task: AgentTask, situation: Situation, draft: Draft): void {
  for (const { name, phase } of task.containers) {
    if (situation.busy.get(containerSubject(name)) === 'pull') draft.cancelPull(name);
    if (phase.name !== 'RUNNING') continue;
    const alive = dependentsStillAlive(task, name);
    if (alive.length > 0) {
      draft.wait(name, `stops after ${alive.join(', ')}`);
      continue;
    }
    const timeoutSeconds = definitionOf(task, name)?.stopTimeout ?? situation.defaultStopTimeout;
    draft.act({ kind: 'stop', container: name, timeoutSeconds }, 'stopping');
  }
}

function afterTheEnd(task: AgentTask, situation: Situation, draft: Draft): void {
  for (const { name, phase } of task.containers) {
    if (phase.name !== 'STOPPED' || phase.reappeared !== 'to-stop') continue;
    const timeoutSeconds = definitionOf(task, name)?.stopTimeout ?? situation.defaultStopTimeout;
    draft.act({ kind: 'stop', container: name, timeoutSeconds });
  }
  if (!situation.cleanUp) return;
  const left = task.containers.filter((container) => !container.removed);
  for (const container of left) draft.act({ kind: 'remove', container: container.name });
  if (left.length > 0) return;
  const volumes = task.volumes.filter((volume) => volume.scope === 'task' && volume.status === 'CREATED');
  for (const volume of volumes) draft.act({ kind: 'removeVolume', volume: volume.name });
  if (volumes.length === 0) draft.finish();
}

interface Draft {
  /** Adds the action unless its subject is busy or has to wait for a retry; `why` is what the container waits for meanwhile. */
  act(action: TaskAction, why?: string): void;
  cancelPull(container: string): void;
  wait(container: string, why: string): void;
  wakeAt(at: number | undefined): void;
  finish(): void;
  decision(task: AgentTask): Decision;
}

function createDraft(situation: Situation, now: number): Draft {
  const actions: TaskAction[] = [];
  const waiting = new Map<string, string>();
  let earliest: number | undefined;
  let finished = false;

  function wakeAt(at: number | undefined): void {
    if (at !== undefined) earliest = Math.min(earliest ?? at, at);
  }

  return {
    act(action, why) {
      const subject = subjectOf(action);
      const retry = situation.retries.get(subject);
      if ('container' in action && why !== undefined) waiting.set(action.container, why);
      if (situation.busy.has(subject)) return;
      if (retry !== undefined && retry.at > now) {
        if ('container' in action) waiting.set(action.container, retry.why);
        wakeAt(retry.at);
        return;
      }
      // Two things to do for one subject at once: the first one comes first.
      if (!actions.some((other) => subjectOf(other) === subject)) actions.push(action);
    },
    cancelPull: (container) => void actions.push({ kind: 'cancelPull', container }),
    wait: (container, why) => void waiting.set(container, why),
    wakeAt,
    finish() {
      finished = true;
    },
    decision: (task) => ({
      task,
      actions,
      waiting,
      finished,
      ...(earliest === undefined ? {} : { wakeAt: earliest }),
    }),
  };
}
