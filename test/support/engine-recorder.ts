/** Writes down what happens to containers on an engine, so that a test can tell that nothing was made, started or ended twice. */
import type { ContainerEngine, EngineEvent } from '#agent/engine/container-engine.ts';
import { taskArnLabel } from '#agent/tasks/container-config.ts';
import { deadline, systemClock } from '#lib/clock.ts';

export interface EngineRecorder {
  /** Creations, starts, ends and removals of a task's containers, in order. */
  lifeOf(taskArn: string): string[];
  /** Resolves when a container of the task was removed. */
  untilGone(taskArn: string): Promise<void>;
  close(): Promise<void>;
}

const turns: readonly EngineEvent['action'][] = ['create', 'start', 'die', 'destroy'];
const limitMs = 30_000;

export async function recordEngine(engine: Pick<ContainerEngine, 'events'>): Promise<EngineRecorder> {
  const ending = new AbortController();
  const lives = new Map<string, string[]>();
  const gone = new Map<string, PromiseWithResolvers<void>>();
  const events = await engine.events({ labelKeys: [taskArnLabel], signal: ending.signal });

  function endOf(taskArn: string): PromiseWithResolvers<void> {
    const end = gone.get(taskArn) ?? Promise.withResolvers<void>();
    gone.set(taskArn, end);
    return end;
  }

  async function record(): Promise<void> {
    for await (const { action, labels } of events) {
      const taskArn = labels[taskArnLabel];
      if (taskArn === undefined || !turns.includes(action)) continue;
      lives.set(taskArn, [...(lives.get(taskArn) ?? []), action]);
      if (action === 'destroy') endOf(taskArn).resolve();
    }
  }

  const recording = record();
  return {
    lifeOf: (taskArn) => lives.get(taskArn) ?? [],
    untilGone: (taskArn) => deadline(systemClock, limitMs, `the removal of ${taskArn}`, endOf(taskArn).promise),
    async close() {
      ending.abort();
      await recording;
    },
  };
}
