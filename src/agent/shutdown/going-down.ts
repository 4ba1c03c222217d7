/**
 * The machine goes down: control is asked to drain it, its tasks get the time to move, and what is left gets its stop timeout, which the engine's own end would cut short. All
 * of it within a limit. Invariant: this happens only when the whole machine goes down; an agent that is stopped, restarted or upgraded leaves its containers alone.
 */
import { deadline, type Clock } from '#lib/clock.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { Logger } from '#lib/logger.ts';
import type { GoingDownAnswer } from '#protocol/session/going-down.ts';
import type { ContainerEngine, ListedContainer } from '../engine/container-engine.ts';
import { definitionOf, taskHasStopped, type AgentTask } from '../tasks/agent-task.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '../tasks/container-config.ts';
import { isInternalContainer } from '../tasks/pause-container.ts';

export interface LeaveOptions {
  readonly agent: {
    /** Undefined: there is no session, or no answer in time. */
    goingDown(): Promise<GoingDownAnswer | undefined>;
    tasks(): AgentTask[];
  };
  /** Notes that the machine was drained for this, and is to be ACTIVE when it is back. */
  noteDrained(): void;
  readonly limitMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookEveryMs = 500;
const atOnce = 8;

/** Resolves when the tasks have moved, or have nowhere to move to, or when a part of the limit is over that leaves the rest their stop timeout. */
export async function leave({ agent, noteDrained, limitMs, clock, logger }: LeaveOptions): Promise<void> {
  const answer = await agent.goingDown();
  if (answer?.drained === true) noteDrained();
  const live = (): number => agent.tasks().filter((task) => !taskHasStopped(task)).length;
  logger.info({ tasks: live(), others: answer?.others, limitMs }, 'the machine goes down; its tasks may move');
  // Without another machine, and without control, there is nothing to wait for.
  if (answer === undefined || answer.others === 0) return;
  const until = clock.elapsed() + limitMs;
  while (live() > 0 && clock.elapsed() < until) await clock.sleep(lookEveryMs);
  if (live() > 0) logger.warn({ tasks: live() }, 'the machine goes down before all of its tasks have moved');
}

export interface StopOptions {
  readonly engine: Pick<ContainerEngine, 'list' | 'stop'>;
  readonly machineId: string;
  readonly tasks: readonly AgentTask[];
  /** Seconds, for containers whose definition says nothing. */
  readonly defaultStopTimeout: number;
  readonly limitMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Once the agent itself is at rest, so that it starts nothing anew. What they end with is reported when the machine is back. */
export async function stopWhatIsLeft(options: StopOptions): Promise<void> {
  const { limitMs, clock, logger } = options;
  try {
    await deadline(clock, limitMs, 'the stop of the containers', stopAll(options));
  } catch (error) {
    logger.warn({ error }, 'the engine ends what is left');
  }
}

async function stopAll(options: StopOptions): Promise<void> {
  const { engine, machineId } = options;
  const containers = await engine.list({ [machineLabel]: machineId });
  const semaphore = createSemaphore(atOnce);
  // What ends uses its network to the last.
  for (const internal of [false, true]) {
    const group = containers.filter(({ labels }) => isInternalContainer(labels[containerNameLabel] ?? '') === internal);
    await Promise.allSettled(
      group.map((container) =>
        semaphore.run(() => engine.stop(container.id, { timeoutSeconds: stopTimeoutOf(options, container) })),
      ),
    );
  }
}

function stopTimeoutOf({ tasks, defaultStopTimeout }: StopOptions, { labels }: ListedContainer): number {
  const task = tasks.find(({ assignment }) => assignment.taskArn === labels[taskArnLabel]);
  const definition = task === undefined ? undefined : definitionOf(task, labels[containerNameLabel] ?? '');
  return definition?.stopTimeout ?? defaultStopTimeout;
}
