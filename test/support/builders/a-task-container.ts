/** A container of a task, RUNNING, as its agent reported it. */
import { containerArn, defaultClusterName, defaultRealm } from '#model/arn.ts';
import type { TaskContainer } from '#model/task.ts';
import { uniqueId } from './unique.ts';

export function aTaskContainer(overrides: Partial<TaskContainer> = {}): TaskContainer {
  return {
    containerArn: containerArn(defaultRealm, defaultClusterName, uniqueId(), uniqueId()),
    name: 'main',
    image: 'berth-test:busybox',
    lastStatus: 'RUNNING',
    healthStatus: 'UNKNOWN',
    networkBindings: [],
    ...overrides,
  };
}
