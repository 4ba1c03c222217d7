/**
 * Looking at a container from inside: a task is registered and run through the public API, its containers say what they see, and what they said is read
 * from their logs when the task has ended.
 */
import {
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type ContainerDefinition,
  type RegisterTaskDefinitionCommandInput,
  type Task,
  type TaskOverride,
} from '@aws-sdk/client-ecs';
import { expect } from 'vitest';
import { eventually, type RealCell } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

/** By question: what the container answered, standard error included. */
type Answers = Record<string, string>;

export interface Ended {
  task: Task;
  /** By container. */
  said: Record<string, Answers>;
  exitCodes: Record<string, number | undefined>;
}

export type Definition = Omit<RegisterTaskDefinitionCommandInput, 'family'>;

/** What this needs of a cell, on this machine or another. */
export type InsideCell = Pick<RealCell, 'ecs' | 'engine' | 'task'> & {
  /** How long a task may take to get somewhere. */
  readonly waitMs?: number;
  /** Between two looks. */
  readonly pauseMs?: number;
};

const marker = '@@ ';

/** A command that answers each question by running its shell line, and ends with the last one's exit code. */
export function looking(questions: Record<string, string>): string[] {
  const lines = Object.entries(questions).map(([name, line]) => `echo; echo '${marker}${name}'; { ${line}\n} 2>&1`);
  return ['/bin/sh', '-c', lines.join('\n')];
}

export function container(name: string, changes: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name, image: testImage, cpu: 8, memory: 32, stopTimeout: 1, ...changes };
}

/** Runs it until it is in this status. */
export async function runUntil(
  cell: InsideCell,
  lastStatus: 'RUNNING' | 'STOPPED',
  definition: Definition,
  overrides?: TaskOverride,
): Promise<Task> {
  const family = `field-${Math.abs(hashOf(JSON.stringify(definition)))}`;
  const { taskDefinition } = await cell.ecs.send(new RegisterTaskDefinitionCommand({ family, ...definition }));
  const { tasks: [task] = [], failures } = await cell.ecs.send(
    new RunTaskCommand({
      taskDefinition: taskDefinition?.taskDefinitionArn,
      ...(overrides === undefined ? {} : { overrides }),
    }),
  );
  expect(failures).toEqual([]);
  return until(cell, task?.taskArn ?? '', (seen) => seen.lastStatus === lastStatus || seen.lastStatus === 'STOPPED');
}

export function until(cell: InsideCell, taskArn: string, wanted: (task: Task) => boolean): Promise<Task> {
  async function look(): Promise<Task | false> {
    const seen = await cell.task(taskArn);
    return wanted(seen) && seen;
  }
  return eventually('the task', look, cell.waitMs, cell.pauseMs);
}

/** Runs it to its end and reads what its containers said. */
export async function runToEnd(cell: InsideCell, definition: Definition, overrides?: TaskOverride): Promise<Ended> {
  const task = await runUntil(cell, 'STOPPED', definition, overrides);
  const said: Ended['said'] = {};
  const exitCodes: Ended['exitCodes'] = {};
  for (const { name = '', runtimeId, exitCode } of task.containers ?? []) {
    said[name] = runtimeId === undefined ? {} : await answersOf(cell, runtimeId);
    exitCodes[name] = exitCode;
  }
  return { task, said, exitCodes };
}

export async function answersOf(cell: InsideCell, runtimeId: string): Promise<Answers> {
  const logs = cell.engine.logs(runtimeId, { follow: false, signal: AbortSignal.timeout(10_000) });
  const answers: Answers = {};
  let question: string | undefined;
  for await (const { text } of logs) {
    for (const line of text.split('\n').map((one) => one.replace(/\r$/, ''))) {
      if (line.startsWith(marker)) {
        question = line.slice(marker.length);
        answers[question] = '';
      } else if (question !== undefined) answers[question] = `${answers[question]}\n${line}`.trim();
    }
  }
  return answers;
}

function hashOf(text: string): number {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) | 0;
  return hash;
}
