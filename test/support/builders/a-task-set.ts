/** An ACTIVE task set of `web:1` that runs the whole desired count and has not been looked at; its id is new each time. */
import type { Deployment, TaskSetPart } from '#model/deployment.ts';
import type { TaskSet } from '#model/task-set.ts';
import { aDeployment } from './a-deployment.ts';
import { builtAt } from './unique.ts';

export type TaskSetOverrides = Partial<Omit<Deployment, 'taskSet'>> & { taskSet?: Partial<TaskSetPart> };

export function aTaskSet({ taskSet, ...overrides }: TaskSetOverrides = {}): TaskSet {
  return {
    ...aDeployment({ status: 'ACTIVE', ...overrides }),
    taskSet: {
      scalePercent: 100,
      draining: false,
      stabilityStatus: 'STABILIZING',
      stabilityStatusAt: builtAt,
      kept: {},
      tags: [],
      ...taskSet,
    },
  };
}
