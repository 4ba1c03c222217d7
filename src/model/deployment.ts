/** One rollout of a service towards a task definition. What a rollout must remember is here, never in a loop's variable. */
import type { CapacityStrategy } from './capacity-provider.ts';
import type { NetworkConfiguration } from './placement.ts';
import type { Tag } from './tag.ts';

export type DeploymentStatus = 'PRIMARY' | 'ACTIVE' | 'INACTIVE';
export type RolloutState = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

/** A task whose start the deployment still watches: it has neither ended nor run long enough to be trusted. */
export interface ProbationTask {
  taskArn: string;
  /** When control first saw it RUNNING, by control's clock (an agent's clock may be wrong). Absent while it starts. */
  runningSince?: number;
}

/**
 * What a deployment remembers between looks, so that each outcome of a task is counted exactly once. It is written in the same
 * transaction as the counts that follow from it; see docs/deployments.md.
 */
export interface DeploymentProgress {
  probation: readonly ProbationTask[];
  /** Tasks in a row that ran but ended by themselves at once; a task that passes its probation resets it. */
  quickCrashes: number;
  /** Tasks in a row that were replaced because a health check failed; a task that passes its probation resets it. */
  healthFailures: number;
  /** How many times launches were held in a row; the next hold is longer. */
  holds: number;
  /** Pulls ahead of stops that failed, in a row; a task that reaches RUNNING resets it. */
  failedPulls?: number;
  /** All failures since the deployment began; nothing resets it. */
  failures?: number;
  /** Of those, before any task ran: the image was missing or access to it denied. */
  imageFailures?: number;
  /** A task of the deployment has reached RUNNING. */
  ran?: true;
  /** Why the last one failed, as its machine told. */
  lastFailure?: string;
}

export const freshProgress: DeploymentProgress = { probation: [], quickCrashes: 0, healthFailures: 0, holds: 0 };

/** Why nothing can be done now, and when it is looked at again; without `until` a named event is awaited. */
export interface Waiting {
  reason: string;
  /** Epoch milliseconds. */
  until?: number;
}

/** What only task sets have: the deployments of a service whose controller is EXTERNAL; see task-set.ts. */
export interface TaskSetPart {
  /** Percent of the service's desiredCount, 0 to 100, fractions allowed. */
  scalePercent: number;
  /** Deleted: its tasks stop, and when the last has ended it is gone. */
  draining: boolean;
  externalId?: string;
  /** STEADY_STATE: as many tasks up as computed, none pending, ending or on a DRAINING instance. */
  stabilityStatus: 'STABILIZING' | 'STEADY_STATE';
  /** When control last saw it change; epoch ms. */
  stabilityStatusAt: number;
  /** Kept as sent and returned unchanged. */
  kept: Readonly<Record<string, unknown>>;
  tags: readonly Tag[];
}

/** What a user asked of a rollout under way; the next look carries it out. */
export interface StopRequest {
  /** ABORT leaves things as they are, ROLLBACK goes back to what completed last. */
  type: 'ROLLBACK' | 'ABORT';
  /** Epoch milliseconds. */
  requestedAt: number;
}

export interface Deployment {
  /** `ecs-svc/<19 digits>`; tasks carry it in `startedBy`. */
  id: string;
  status: DeploymentStatus;
  taskDefinitionArn: string;
  desiredCount: number;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  /** Present when its tasks are shared out to capacity providers. */
  capacityProviderStrategy?: CapacityStrategy;
  networkConfiguration?: NetworkConfiguration;
  rolloutState: RolloutState;
  rolloutStateReason: string;
  /** Consecutive starts that failed; a task that reaches RUNNING resets it. */
  failedTasks: number;
  /** No launch before this time (epoch ms): the growing delay after failed starts. */
  launchesHeldUntil?: number;
  /** Absent until the first look. */
  progress?: DeploymentProgress;
  /**
   * Digests by container name, as the deployment's first tasks found them: later tasks run the very same images, whatever their tags mean
   * by then. A rollback takes over those of the deployment it returns to.
   */
  pinnedImages?: Readonly<Record<string, string>>;
  /** The deployment that this one takes back, as it is PRIMARY again; its own failure starts no other way back. */
  rollbackOf?: string;
  taskSet?: TaskSetPart;
  /** When that began (epoch ms). */
  rolledBackAt?: number;
  /** When the first look at it was (epoch ms). */
  startedAt?: number;
  /** When it completed for the first time (epoch ms). */
  completedAt?: number;
  stopRequest?: StopRequest;
  /** What ended a rollout that FAILED. */
  failedBy?: 'breaker' | 'deadline' | 'request';
  /** Present while something keeps the deployment from its goal. */
  waiting?: Waiting;
  createdAt: number;
  updatedAt: number;
}
