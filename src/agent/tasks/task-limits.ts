/** What a task as a whole may use at most: its own cpu and memory, or those its override gives it instead. Pure. */
import { parseTaskCpu, parseTaskMemory } from '#model/task-definition.ts';
import type { AgentTask } from './agent-task.ts';

export interface TaskLimits {
  /** 1024 a core; absent: without limit. */
  cpuUnits?: number;
  memoryMiB?: number;
}

/** Undefined when the task has no limit: then it needs no control group of its own. */
export function taskLimits({ assignment, definition }: AgentTask): TaskLimits | undefined {
  const cpu = assignment.overrides.cpu ?? definition.cpu;
  const memory = assignment.overrides.memory ?? definition.memory;
  const cpuUnits = cpu === undefined ? undefined : parseTaskCpu(cpu);
  const memoryMiB = memory === undefined ? undefined : parseTaskMemory(memory);
  if (cpuUnits === undefined && memoryMiB === undefined) return undefined;
  return { ...(cpuUnits === undefined ? {} : { cpuUnits }), ...(memoryMiB === undefined ? {} : { memoryMiB }) };
}
