/** One rollout of a service towards a task definition. What a rollout must remember is here, never in a loop's variable. */
import type { NetworkConfiguration } from './placement.ts';

export type DeploymentStatus = 'PRIMARY' | 'ACTIVE' | 'INACTIVE';
export type RolloutState = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

export interface Deployment {
  /** `ecs-svc/<19 digits>`; tasks carry it in `startedBy`. */
  id: string;
  status: DeploymentStatus;
  taskDefinitionArn: string;
  desiredCount: number;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  networkConfiguration?: NetworkConfiguration;
  rolloutState: RolloutState;
  rolloutStateReason: string;
  /** Consecutive starts that failed; a task that reaches RUNNING resets it. */
  failedTasks: number;
  /** No launch before this time (epoch ms): the growing delay after failed starts. */
  launchesHeldUntil?: number;
  createdAt: number;
  updatedAt: number;
}
