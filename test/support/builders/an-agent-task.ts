/** Tasks as an agent knows them, and what an engine says about their containers. */
import { newAgentTask, type AgentTask, type NewTask } from '#agent/tasks/agent-task.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import type { TaskOverride } from '#model/task.ts';

export const someTaskArn = 'arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef';

export interface AgentTaskChoices extends Partial<Pick<NewTask, 'desiredStatus' | 'stop'>> {
  taskArn?: string;
  containers?: readonly (Partial<ContainerDefinition> & { name: string })[];
  definition?: Partial<TaskDefinitionBody>;
  overrides?: TaskOverride;
}

/** One essential container `app` unless said otherwise. */
export function anAgentTask(choices: AgentTaskChoices = {}): AgentTask {
  const { taskArn = someTaskArn, containers = [{ name: 'app' }], definition, overrides = {}, ...rest } = choices;
  const containerDefinitions = containers.map((container) => ({ image: 'berth-test:busybox', ...container }));
  return newAgentTask({
    desiredStatus: 'RUNNING',
    assignmentNumber: 1,
    ...rest,
    definition: { family: 'web', containerDefinitions, ...definition },
    assignment: {
      taskArn,
      clusterName: 'default',
      taskDefinitionArn: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:3',
      family: 'web',
      revision: 3,
      group: 'family:web',
      launchType: 'EC2',
      gpuIds: [],
      createdAt: 1000,
      containers: containers.map(({ name }) => ({ name, containerArn: `${taskArn}/${name}` })),
      overrides,
    },
  });
}

export function anObservation(changes: Partial<ContainerObservation> = {}): ContainerObservation {
  return {
    id: 'engine-id',
    name: 'engine-name',
    labels: {},
    state: 'running',
    oomKilled: false,
    createdAt: 2000,
    startedAt: 3000,
    health: 'UNKNOWN',
    imageId: 'sha256:image',
    networkBindings: [],
    ...changes,
  };
}
