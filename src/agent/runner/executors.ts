/**
 * Carries out the actions that a decision asks for. Every outcome becomes a fact, except that the engine could not be asked: then the step is to be
 * tried again, and nothing is concluded about the container.
 */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import { messageOf } from '#lib/errors.ts';
import { arnId } from '#model/arn.ts';
import { couldNotAsk, EngineError, type EngineErrorKind } from '../engine/container-engine.ts';
import { TaskNetworkError } from '../network/network-driver.ts';
import { TaskCgroupError } from '../host/task-cgroups.ts';
import { containerNamed, definitionOf, isStopping, type AgentTask } from '../tasks/agent-task.ts';
import { containerSpec, machineLabel, taskArnLabel, type ChosenPortRanges } from '../tasks/container-config.ts';
import type { ContainerObservation, ContainerSpec } from '../tasks/container-spec.ts';
import { withEndpointVariables } from '../tasks/endpoint-variables.ts';
import type { TaskFact } from '../tasks/facts.ts';
import type { ActionExecutors } from '../tasks/next-actions.ts';
import { portRangesOf } from '../tasks/port-range.ts';
import { pauseContainerName } from '../tasks/pause-container.ts';
import { pauseSpec } from '../tasks/pause-spec.ts';
import type { FailedStep } from '../tasks/stop-reason.ts';
import { taskLimits } from '../tasks/task-limits.ts';
import { nfsOptions } from '../tasks/volumes.ts';
import type { RunnerDependencies } from './runner-ports.ts';

/** What an executor may ask of and tell its task runner. */
export interface ExecutionContext {
  task(): AgentTask;
  deliver(fact: TaskFact): void;
  /** How far the pull of a container's image has come, in words. */
  pullNews(container: string, news: string): void;
  /** Asks the engine what became of a container and delivers the answer. */
  look(container: string): Promise<void>;
  signal: AbortSignal;
}

/** `retry`: not carried out, for this reason; nothing is known. */
export type Outcome = { kind: 'done' } | { kind: 'retry'; why: string };

const done: Outcome = { kind: 'done' };

/** ecs-agent's: 5 attempts, 1 s to 5 s. */
const stopAttempts = 5;
const stopBackoff: JitteredBackoffPolicy = { baseMs: 1000, maxMs: 5000, factor: 1.3, jitter: 0.2 };
/** A start that was given up, or that failed inside the engine, may still happen; this is how long the container then has to end. */
const abandonedStopSeconds = 5;
const mayHaveStarted: readonly EngineErrorKind[] = ['timeout', 'internal'];

function createStepOf(error: unknown): 'network' | 'cgroup' | 'create' {
  if (error instanceof TaskNetworkError) return 'network';
  return error instanceof TaskCgroupError ? 'cgroup' : 'create';
}

export function createExecutors(
  dependencies: RunnerDependencies,
  context: ExecutionContext,
): ActionExecutors<Promise<Outcome>> {
  const { engine, images, slots, lookSlots, clock, random, machineId, taskNetwork, taskCgroups } = dependencies;
  const { task, deliver, look, signal } = context;
  const pulls = new Map<string, AbortController>();

  function engineName(container: string): string {
    const known = containerNamed(task(), container);
    if (known === undefined) throw new Error(`the task has no container ${container}`);
    return known.engineName;
  }

  /** The engine's answer is a failure of the step; no answer is a reason to try again. */
  function conclude(container: string, step: Exclude<FailedStep, 'volume'>, error: unknown): Outcome {
    if (!(error instanceof EngineError)) {
      deliver({ kind: 'failed', container, step, error: { kind: 'internal', message: messageOf(error) } });
      return done;
    }
    if (couldNotAsk(error)) return { kind: 'retry', why: `the container engine cannot be reached: ${error.message}` };
    deliver({ kind: 'failed', container, step, error });
    return done;
  }

  async function pull(container: string, image: string): Promise<Outcome> {
    const controller = new AbortController();
    pulls.set(container, controller);
    deliver({ kind: 'pullStarted', container });
    try {
      const { digest } = await images.obtain(image, {
        signal: AbortSignal.any([signal, controller.signal]),
        secret: definitionOf(task(), container)?.repositoryCredentials?.credentialsParameter,
        tell: (news) => context.pullNews(container, news),
      });
      deliver({ kind: 'pulled', container, ...(digest === undefined ? {} : { imageDigest: digest }) });
      return done;
    } catch (error) {
      return controller.signal.aborted ? done : await withoutImage(container, error);
    } finally {
      pulls.delete(container);
    }
  }

  /** A journal that lost its newest part does not know of a container that is there already: that one needs no image. */
  async function withoutImage(container: string, error: unknown): Promise<Outcome> {
    if (couldNotAsk(error)) return conclude(container, 'pull', error);
    const found = await engine.inspect(engineName(container), { signal });
    if (found === undefined || !isOurs(found)) return conclude(container, 'pull', error);
    deliver({ kind: 'observed', container, observation: found });
    return done;
  }

  function isOurs({ labels }: ContainerObservation): boolean {
    return labels[taskArnLabel] === task().assignment.taskArn && labels[machineLabel] === machineId;
  }

  async function launch(container: string): Promise<Outcome> {
    try {
      const id = await engine.create({ ...(await specOf(container)), ...(await ownCgroup()) }, { signal });
      deliver({ kind: 'created', container, engineId: id });
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'name-conflict') return adopt(container, error);
      return conclude(container, createStepOf(error), error);
    }
    return isStopping(task()) ? done : start(container);
  }

  async function specOf(container: string): Promise<ContainerSpec> {
    if (container === pauseContainerName) {
      return pauseSpec(task(), { machineId, taskNetwork: await ownNetwork(task().definition) });
    }
    const spec = containerSpec(task(), container, machineId, await choosePortRanges(container));
    return withEndpointVariables(spec, dependencies.endpointOf?.(task().assignment.taskArn, container));
  }

  /** Made before the first container and corrected before each, because a restart of the machine takes it away. */
  async function ownCgroup(): Promise<Pick<ContainerSpec, 'cgroupParent'>> {
    const limits = taskLimits(task());
    if (limits === undefined || taskCgroups === undefined) return {};
    return { cgroupParent: await taskCgroups.prepare(arnId(task().assignment.taskArn), limits) };
  }

  /** Undefined when the task needs none. */
  async function ownNetwork({ networkMode }: AgentTask['definition']): Promise<string | undefined> {
    if (networkMode !== 'awsvpc') return undefined;
    if (taskNetwork === undefined) throw new TaskNetworkError('this agent gives no task a network of its own');
    return (await taskNetwork.join({ signal })).engineNetwork;
  }

  async function choosePortRanges(container: string): Promise<ChosenPortRanges> {
    const chosen = new Map<string, number>();
    if ((task().definition.networkMode ?? 'bridge') !== 'bridge') return chosen;
    for (const { key, length, protocol } of portRangesOf(definitionOf(task(), container))) {
      const first = await dependencies.portRanges.choose(length, protocol);
      if (first === undefined) throw new EngineError('port-conflict', `no ${length} host ports in a row are free`);
      chosen.set(key, first);
    }
    return chosen;
  }

  /** The name is taken: by this very container, when an earlier create was not heard of any more; then it is taken over as it is. */
  async function adopt(container: string, conflict: EngineError): Promise<Outcome> {
    try {
      const found = await engine.inspect(engineName(container), { signal });
      if (found === undefined) return { kind: 'retry', why: conflict.message };
      if (!isOurs(found)) return conclude(container, 'create', conflict);
      deliver({ kind: 'observed', container, observation: found });
      return done;
    } catch (error) {
      return conclude(container, 'create', error);
    }
  }

  async function start(container: string): Promise<Outcome> {
    try {
      await engine.start(engineName(container), { signal });
    } catch (error) {
      if (error instanceof EngineError && mayHaveStarted.includes(error.kind) && !(await stopAbandoned(container))) {
        return { kind: 'retry', why: `it could be neither started nor stopped: ${error.message}` };
      }
      if (error instanceof EngineError && error.kind === 'not-found') {
        await look(container);
        return done;
      }
      return conclude(container, 'start', error);
    }
    await look(container);
    return done;
  }

  /** It might be running, or start any moment: as ECS does, it is stopped before it is called failed. False when that failed too. */
  async function stopAbandoned(container: string): Promise<boolean> {
    try {
      await engine.stop(engineName(container), { timeoutSeconds: abandonedStopSeconds, signal });
      return true;
    } catch (error) {
      dependencies.logger.warn({ error, container }, 'a container whose start failed could not be stopped');
      return false;
    }
  }

  async function stop(container: string, timeoutSeconds: number): Promise<Outcome> {
    let lastError: unknown = new EngineError('internal', 'the engine says it stopped, but it runs');
    for (let attempt = 0; attempt < stopAttempts; attempt++) {
      if (attempt > 0) await clock.sleep(jittered(stopBackoff, attempt - 1, random), signal);
      // Somebody may start it right after this end; then it has yet to be stopped again.
      const isOver = containerNamed(task(), container)?.phase.name === 'STOPPED';
      try {
        await engine.stop(engineName(container), { timeoutSeconds, signal });
        await look(container);
        if (isOver) deliver({ kind: 'stoppedAgain', container });
        if (containerNamed(task(), container)?.phase.name === 'STOPPED') return done;
      } catch (error) {
        if (couldNotAsk(error)) return conclude(container, 'stop', error);
        if (error instanceof EngineError && error.kind === 'not-found') {
          await look(container);
          return done;
        }
        const silence = await engineSilence();
        if (silence !== undefined) return { kind: 'retry', why: `the container engine does not answer: ${silence}` };
        lastError = error;
      }
    }
    // The engine answers, but cannot end the container: it is declared stopped, with the reason, so that the task can end.
    return conclude(container, 'stop', lastError);
  }

  /** Why the engine says nothing at all: an attempt that it met in silence says nothing of the container. Undefined when it answers. */
  async function engineSilence(): Promise<string | undefined> {
    try {
      await engine.ping({ signal });
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async function createVolume(name: string): Promise<Outcome> {
    const volume = task().volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) return done;
    const { engineName: onEngine, driver, labels, remote } = volume;
    const server = remote === undefined ? undefined : dependencies.fileSystems?.get(remote.fileSystemId);
    if (remote !== undefined && server === undefined) {
      const message = `this machine knows no server for the file system ${remote.fileSystemId}`;
      deliver({ kind: 'volumeFailed', volume: name, error: { kind: 'not-found', message } });
      return done;
    }
    const driverOptions =
      remote === undefined || server === undefined ? volume.driverOptions : nfsOptions(server, remote);
    try {
      const exists = volume.scope === 'shared' && (await engine.inspectVolume(onEngine, { signal })) !== undefined;
      if (!exists && !volume.provision) {
        const message = `there is no volume ${onEngine} on this host, and autoprovision is off`;
        deliver({ kind: 'volumeFailed', volume: name, error: { kind: 'not-found', message } });
        return done;
      }
      if (!exists) {
        const owner =
          volume.scope === 'task' ? { [machineLabel]: machineId, [taskArnLabel]: task().assignment.taskArn } : {};
        await engine.createVolume(
          { name: onEngine, driver, driverOptions, labels: { ...labels, ...owner } },
          { signal },
        );
      }
      deliver({ kind: 'volumeCreated', volume: name });
      return done;
    } catch (error) {
      if (couldNotAsk(error)) return { kind: 'retry', why: messageOf(error) };
      const kind = error instanceof EngineError ? error.kind : 'internal';
      deliver({ kind: 'volumeFailed', volume: name, error: { kind, message: messageOf(error) } });
      return done;
    }
  }

  return {
    inspect: async ({ container }) => {
      await lookSlots.run(() => look(container), signal);
      return done;
    },
    pull: ({ container, image }) => pull(container, image),
    cancelPull: async ({ container }) => {
      pulls.get(container)?.abort(new Error('the task stops'));
      return done;
    },
    createVolume: ({ volume }) => createVolume(volume),
    launch: ({ container }) => slots.run(() => launchUnlessStopping(container), signal),
    start: ({ container }) => slots.run(() => startUnlessStopping(container), signal),
    stop: ({ container, timeoutSeconds }) => stop(container, timeoutSeconds),
    async remove({ container }) {
      await engine.remove(engineName(container), { signal });
      const othersAreGone = task().containers.every(({ name, removed }) => removed === true || name === container);
      if (othersAreGone && taskLimits(task()) !== undefined)
        await taskCgroups?.remove(arnId(task().assignment.taskArn));
      deliver({ kind: 'removed', container });
      return done;
    },
    async removeVolume({ volume: name }) {
      const volume = task().volumes.find((candidate) => candidate.name === name);
      if (volume !== undefined) await engine.removeVolume(volume.engineName, { signal });
      deliver({ kind: 'volumeRemoved', volume: name });
      return done;
    },
  };

  /** The wait for a slot may have been long. */
  async function launchUnlessStopping(container: string): Promise<Outcome> {
    return isStopping(task()) ? done : launch(container);
  }

  async function startUnlessStopping(container: string): Promise<Outcome> {
    if (isStopping(task())) return done;
    try {
      await ownCgroup();
    } catch (error) {
      return conclude(container, createStepOf(error), error);
    }
    return start(container);
  }
}
