/**
 * What may become known about a task, and what each fact changes: the only way from one AgentTask to the next besides the decisions in
 * next-actions.ts. Facts may come late, twice or in any order (an event, an inspection, the end of a call all tell the same story), so a
 * fact that says nothing new returns the very same object. The table is docs/task-lifecycle.md.
 */
import { isEssential } from '#model/container-definition.ts';
import type { HealthStatus } from '#model/task.ts';
import {
  containerNamed,
  definitionOf,
  startedBy,
  withContainer,
  withStopWanted,
  type AgentContainer,
  type AgentTask,
  type ContainerPhase,
  type RunningPhase,
  type StopCause,
  type StoppedPhase,
} from './agent-task.ts';
import type { ContainerObservation } from './container-spec.ts';
import { isInternalContainer, pauseContainerName } from './pause-container.ts';
import { restartOf } from './restart-policy.ts';
import {
  clipReason,
  failureReason,
  outOfMemoryReason,
  ownStopCause,
  pauseStartedAgainReason,
  vanishedReason,
} from './stop-reason.ts';
import type { FailedStep, StepError } from './stop-reason.ts';

export type TaskFact =
  /** Control wants it stopped; `cause` becomes the task's unless it was ending already. */
  | { kind: 'stopWanted'; assignmentNumber: number; cause: StopCause }
  /** It can never run here. */
  | { kind: 'refused'; cause: StopCause }
  | { kind: 'pullStarted'; container: string }
  | { kind: 'pulled'; container: string; imageDigest?: string }
  | { kind: 'created'; container: string; engineId: string }
  | { kind: 'observed'; container: string; observation: ContainerObservation }
  /** The engine has no such container. */
  | { kind: 'missing'; container: string }
  | { kind: 'health'; container: string; health: HealthStatus }
  | { kind: 'failed'; container: string; step: Exclude<FailedStep, 'volume'>; error: StepError }
  /** The machine's clock was set by so much. */
  | { kind: 'clockSet'; byMs: number }
  /** It was told to stop after it had reappeared. */
  | { kind: 'stoppedAgain'; container: string }
  | { kind: 'volumeCreated'; volume: string }
  | { kind: 'volumeFailed'; volume: string; error: StepError }
  | { kind: 'removed'; container: string }
  | { kind: 'volumeRemoved'; volume: string };

export function applyFact(task: AgentTask, fact: TaskFact, now: number): AgentTask {
  return settle(change(task, fact, now), now);
}

function change(task: AgentTask, fact: TaskFact, now: number): AgentTask {
  switch (fact.kind) {
    case 'stopWanted':
      return withStopWanted(task, fact.assignmentNumber, fact.cause);
    case 'refused':
      return task.stop === undefined ? { ...task, stop: fact.cause } : task;
    case 'pullStarted':
      return task.pullStartedAt === undefined ? { ...task, pullStartedAt: now } : task;
    case 'clockSet':
      return withClockSet(task, fact.byMs);
    case 'volumeCreated':
      return withVolumeStatus(task, fact.volume, 'CREATED');
    case 'volumeRemoved':
      return withVolumeStatus(task, fact.volume, 'REMOVED');
    case 'volumeFailed':
      return withVolumeFailure(task, fact.volume, failureReason('volume', fact.error), now);
    case 'pulled':
    case 'created':
    case 'observed':
    case 'missing':
    case 'health':
    case 'failed':
    case 'stoppedAgain':
    case 'removed':
      return changeContainer(task, fact, now);
  }
}

type ContainerFact = Extract<TaskFact, { container: string }>;

function changeContainer(
  task: AgentTask,
  fact: Exclude<ContainerFact, { kind: 'pullStarted' }>,
  now: number,
): AgentTask {
  const container = containerNamed(task, fact.container);
  if (container === undefined) return task;
  const changed = changedContainer(task, container, fact, now);
  const known = fact.kind === 'observed' ? withAddress(task, fact) : task;
  return changed === container ? known : withContainer(known, container.name, () => changed);
}

/** What was said in the time of the old clock is moved along with it; what was reported stays as it was. */
function withClockSet(task: AgentTask, byMs: number): AgentTask {
  const containers = task.containers.map((container): AgentContainer => {
    const { phase, restarts } = container;
    const moved = restarts.lastAt === undefined ? restarts : { ...restarts, lastAt: restarts.lastAt + byMs };
    if (phase.name !== 'RUNNING') return { ...container, restarts: moved };
    const restartDue = phase.restartDue === undefined ? {} : { restartDue: { at: phase.restartDue.at + byMs } };
    const clockSetMs = (phase.clockSetMs ?? 0) + byMs;
    return { ...container, restarts: moved, phase: { ...phase, ...restartDue, clockSetMs } };
  });
  const since = task.stoppedAt === undefined ? {} : { clockSetMs: (task.clockSetMs ?? 0) + byMs };
  return { ...task, containers, ...since };
}

/** The address of an awsvpc task is its pause container's. */
function withAddress(task: AgentTask, { container, observation }: Extract<TaskFact, { kind: 'observed' }>): AgentTask {
  const address = observation.addresses?.[0];
  if (container !== pauseContainerName || task.definition.networkMode !== 'awsvpc') return task;
  if (address === undefined || address.ipv4Address === task.networkInterface?.ipv4Address) return task;
  return { ...task, networkInterface: address };
}

function changedContainer(
  task: AgentTask,
  container: AgentContainer,
  fact: Exclude<ContainerFact, { kind: 'pullStarted' }>,
  now: number,
): AgentContainer {
  const { phase } = container;
  switch (fact.kind) {
    case 'pulled': {
      if (phase.name !== 'NONE') return container;
      const digest = fact.imageDigest === undefined ? {} : { imageDigest: fact.imageDigest };
      return { ...container, ...digest, phase: { name: 'PULLED' } };
    }
    case 'created':
      if (phase.name !== 'NONE' && phase.name !== 'PULLED') return container;
      return { ...container, phase: { name: 'CREATED', engineId: fact.engineId } };
    case 'observed':
      return observed(task, container, fact.observation, now);
    case 'missing':
      if (phase.name !== 'CREATED' && phase.name !== 'RUNNING') return container;
      return { ...container, phase: stopped(phase, { stoppedAt: now, reason: vanishedReason }) };
    case 'health':
      if (phase.name !== 'RUNNING' || phase.health === fact.health) return container;
      return { ...container, phase: { ...phase, health: fact.health } };
    case 'failed':
      return failed(container, fact.step, fact.error, now);
    case 'stoppedAgain':
      if (phase.name !== 'STOPPED' || phase.reappeared !== 'to-stop') return container;
      return { ...container, phase: { ...phase, reappeared: 'stopped-again' } };
    case 'removed':
      return container.removed ? container : { ...container, removed: true };
  }
}

function observed(
  task: AgentTask,
  container: AgentContainer,
  observation: ContainerObservation,
  now: number,
): AgentContainer {
  switch (observation.state) {
    case 'created':
      return observedCreated(container, observation);
    case 'running':
    case 'paused':
    case 'restarting':
      return observedAlive(container, observation, now);
    case 'exited':
    case 'dead':
    case 'removing':
      return observedEnded(task, container, observation, now);
  }
}

function observedCreated(container: AgentContainer, observation: ContainerObservation): AgentContainer {
  const { phase } = container;
  if (phase.name !== 'NONE' && phase.name !== 'PULLED') return container;
  return { ...container, phase: { name: 'CREATED', engineId: observation.id } };
}

function observedAlive(container: AgentContainer, observation: ContainerObservation, now: number): AgentContainer {
  const { phase } = container;
  if (phase.name === 'STOPPED') {
    if (phase.reappeared !== undefined) return container;
    return { ...container, phase: { ...phase, engineId: observation.id, reappeared: 'to-stop' } };
  }
  if (isAnotherPause(container, observation)) {
    const end = stopped(phase, { stoppedAt: now, reason: pauseStartedAgainReason });
    return { ...container, phase: { ...end, reappeared: 'to-stop' } };
  }
  const running: RunningPhase = {
    name: 'RUNNING',
    engineId: observation.id,
    ...(observation.pid === undefined ? {} : { pid: observation.pid }),
    startedAt: observation.startedAt ?? now,
    health: observation.health,
    networkBindings: observation.networkBindings,
  };
  if (phase.name === 'RUNNING' && phase.clockSetMs !== undefined && phase.startedAt === running.startedAt) {
    running.clockSetMs = phase.clockSetMs;
  }
  return samePhase(phase, running) ? container : { ...container, phase: running };
}

/** A pause container that was started again holds new namespaces, and nobody is in them. Engines may correct the time of a start; a process stays. */
function isAnotherPause({ name, phase }: AgentContainer, { pid }: ContainerObservation): boolean {
  if (!isInternalContainer(name) || phase.name !== 'RUNNING') return false;
  return pid !== undefined && phase.pid !== undefined && pid !== phase.pid;
}

function observedEnded(
  task: AgentTask,
  container: AgentContainer,
  observation: ContainerObservation,
  now: number,
): AgentContainer {
  const { phase } = container;
  if (phase.name === 'STOPPED') return container;
  // The end that made the restart due is told again; one with a later start is a new end.
  if (phase.name === 'RUNNING' && phase.restartDue && (observation.startedAt ?? 0) <= phase.startedAt) return container;
  const startedAt = observation.startedAt ?? (phase.name === 'RUNNING' ? phase.startedAt : undefined);
  const mayRestart = task.stop === undefined && observation.state !== 'removing';
  const run = mayRestart ? runThatEnded(task, phase, observation) : undefined;
  if (run !== undefined) {
    const { count, lastAt, earlyAttempts = 0 } = container.restarts;
    const ended = { exitCode: observation.exitCode, startedAt: startedBy(run), lastRestartAt: lastAt, earlyAttempts };
    const restart = restartOf(definitionOf(task, container.name), ended, now);
    if (restart !== undefined) {
      const restarts = {
        count: count + 1,
        lastAt: restart.at,
        ...(restart.earlyAttempts > 0 ? { earlyAttempts: restart.earlyAttempts } : {}),
      };
      return { ...container, restarts, phase: { ...run, health: 'UNKNOWN', restartDue: { at: restart.at } } };
    }
  }
  const reason = endReason(task, observation);
  return {
    ...container,
    phase: {
      ...stopped(phase, { stoppedAt: observation.finishedAt ?? now }),
      engineId: observation.id,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(observation.exitCode === undefined ? {} : { exitCode: observation.exitCode }),
      ...(reason === undefined ? {} : { reason }),
      ...(observation.lastOutput === undefined ? {} : { lastOutput: observation.lastOutput }),
    },
  };
}

/** It may have ended before it was ever seen running. */
function runThatEnded(
  task: AgentTask,
  phase: ContainerPhase,
  observation: ContainerObservation,
): RunningPhase | undefined {
  const { id: engineId, startedAt, networkBindings } = observation;
  // With the start of this run, so that its end is told apart from the next one's even if neither was seen running.
  if (phase.name === 'RUNNING') {
    if (startedAt === undefined || startedAt === phase.startedAt) return phase;
    const { clockSetMs: _, ...rest } = phase;
    return { ...rest, startedAt };
  }
  if (startedAt === undefined || endReason(task, observation) !== undefined) return undefined;
  return { name: 'RUNNING', engineId, startedAt, health: 'UNKNOWN', networkBindings };
}

/** The engine's OOM flag stays set when only a child was killed: it is no reason for an end that went well or was asked for. */
function endReason(task: AgentTask, observation: ContainerObservation): string | undefined {
  if (observation.oomKilled && observation.exitCode !== 0 && task.stop === undefined) return outOfMemoryReason;
  // The agent itself removes only what has ended.
  if (observation.state === 'removing') return vanishedReason;
  if (observation.error === undefined || observation.error === '') return undefined;
  return clipReason(`CannotStartContainerError: ${observation.error}`);
}

function failed(
  container: AgentContainer,
  step: Exclude<FailedStep, 'volume'>,
  error: StepError,
  now: number,
): AgentContainer {
  const { phase } = container;
  if (phase.name === 'STOPPED') return container;
  // A start that fails on a running container was a late duplicate; only a due restart can fail then.
  if (phase.name === 'RUNNING' && step !== 'stop' && !phase.restartDue) return container;
  return { ...container, phase: stopped(phase, { stoppedAt: now, reason: failureReason(step, error) }) };
}

/** The end of whatever came before: what is known of the run is kept. */
export function stopped(
  before: ContainerPhase,
  end: { stoppedAt: number; reason?: string; exitCode?: number },
): StoppedPhase {
  if (before.name === 'STOPPED') return before;
  const known = before.name === 'CREATED' || before.name === 'RUNNING' ? { engineId: before.engineId } : {};
  const ran =
    before.name === 'RUNNING'
      ? { startedAt: before.startedAt, health: before.health, networkBindings: before.networkBindings }
      : { health: 'UNKNOWN' as const, networkBindings: [] };
  return { name: 'STOPPED', ...known, ...ran, ...end };
}

function samePhase(a: ContainerPhase, b: RunningPhase): boolean {
  return (
    a.name === 'RUNNING' &&
    a.restartDue === undefined &&
    a.engineId === b.engineId &&
    a.pid === b.pid &&
    a.startedAt === b.startedAt &&
    a.health === b.health &&
    JSON.stringify(a.networkBindings) === JSON.stringify(b.networkBindings)
  );
}

function withVolumeStatus(task: AgentTask, name: string, status: 'CREATED' | 'REMOVED'): AgentTask {
  const volumes = task.volumes.map((volume) => (volume.name === name ? { ...volume, status } : volume));
  return { ...task, volumes };
}

/** A volume that cannot be had ends every container that mounts it. */
function withVolumeFailure(task: AgentTask, name: string, reason: string, now: number): AgentTask {
  const containers = task.containers.map((container) => {
    const mounts = definitionOf(task, container.name)?.mountPoints ?? [];
    if (!mounts.some((mount) => mount.sourceVolume === name) || container.phase.name === 'STOPPED') return container;
    return { ...container, phase: stopped(container.phase, { stoppedAt: now, reason }) };
  });
  return { ...task, containers };
}

/** What follows for the task as a whole: its own end, and the moments that are shown to users. */
export function settle(task: AgentTask, now: number): AgentTask {
  const stop = task.stop ?? ownStopCause(task);
  const phases = task.containers.map((container) => container.phase);
  const pullsOver = phases.every((phase) => phase.name !== 'NONE');
  const upOrOver = phases.every((phase) => phase.name === 'RUNNING' || phase.name === 'STOPPED');
  const allRan = upOrOver && phases.every((phase) => phase.name !== 'STOPPED' || phase.startedAt !== undefined);
  const settled: AgentTask = { ...task };
  if (stop !== undefined) settled.stop = stop;
  if (pullsOver && task.pullStartedAt !== undefined) settled.pullStoppedAt ??= now;
  if (allRan || (upOrOver && stop === undefined)) settled.startedAt ??= now;
  const essentialEnd = firstEssentialEnd(task);
  if (essentialEnd !== undefined) settled.executionStoppedAt ??= essentialEnd;
  if (stop !== undefined && phases.every((phase) => phase.name === 'STOPPED')) settled.stoppedAt ??= now;
  return sameMoments(task, settled) ? task : settled;
}

function firstEssentialEnd(task: AgentTask): number | undefined {
  let first: number | undefined;
  for (const { name, phase } of task.containers) {
    const definition = definitionOf(task, name);
    if (phase.name !== 'STOPPED' || phase.startedAt === undefined) continue;
    if (definition === undefined || !isEssential(definition)) continue;
    first = Math.min(first ?? phase.stoppedAt, phase.stoppedAt);
  }
  return first;
}

function sameMoments(a: AgentTask, b: AgentTask): boolean {
  return (
    a.stop === b.stop &&
    a.pullStoppedAt === b.pullStoppedAt &&
    a.startedAt === b.startedAt &&
    a.executionStoppedAt === b.executionStoppedAt &&
    a.stoppedAt === b.stoppedAt
  );
}
