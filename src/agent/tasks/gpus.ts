/** Which of the GPUs that control chose for a task are whose: whole devices, handed out in the order of the containers. Pure. */
import { definitionOf, type AgentTask } from './agent-task.ts';

export function gpuIdsOf(task: AgentTask, container: string): string[] {
  let next = 0;
  for (const { name } of task.containers) {
    const wanted = gpusWanted(task, name);
    if (name === container) return task.assignment.gpuIds.slice(next, next + wanted);
    next += wanted;
  }
  return [];
}

function gpusWanted(task: AgentTask, name: string): number {
  const override = task.assignment.overrides.containerOverrides?.find((one) => one.name === name);
  const requirements = override?.resourceRequirements ?? definitionOf(task, name)?.resourceRequirements ?? [];
  return requirements.reduce((sum, { type, value }) => (type === 'GPU' ? sum + Number(value ?? 0) : sum), 0);
}
