/** The PRIMARY deployment of `web:1`, in progress, wanting one task; its id is new each time. */
import { defaultRealm, taskDefinitionArn } from '#model/arn.ts';
import type { Deployment } from '#model/deployment.ts';
import { builtAt, uniqueId } from './unique.ts';

export function aDeployment(overrides: Partial<Deployment> = {}): Deployment {
  const id = `ecs-svc/${BigInt(`0x${uniqueId()}`).toString().padStart(19, '0')}`;
  return {
    id,
    status: 'PRIMARY',
    taskDefinitionArn: taskDefinitionArn(defaultRealm, 'web', 1),
    desiredCount: 1,
    launchType: 'EC2',
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: `ECS deployment ${id} in progress.`,
    failedTasks: 0,
    createdAt: builtAt,
    updatedAt: builtAt,
    ...overrides,
  };
}
