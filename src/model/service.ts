/** A service: the promise that a number of tasks of one definition run. Deployments carry it out; see docs/deployments in time. */
import type { CapacityStrategy } from './capacity-provider.ts';
import type { Deployment } from './deployment.ts';
import type { NetworkConfiguration, PlacementConstraint, PlacementStrategy } from './placement.ts';
import type { Tag } from './tag.ts';

export type ServiceStatus = 'ACTIVE' | 'DRAINING' | 'INACTIVE';
export type SchedulingStrategy = 'REPLICA' | 'DAEMON';

/** How many failures are too many: a number, or percent of the desired count. */
export interface BreakerThreshold {
  type: 'COUNT' | 'BOUNDED_PERCENT' | 'UNBOUNDED_PERCENT';
  value: number;
}

export interface DeploymentCircuitBreaker {
  enable: boolean;
  rollback: boolean;
  /** Whether a healthy task sets the failures back; default true. */
  resetOnHealthyTask?: boolean;
  /** Default BOUNDED_PERCENT 50. */
  thresholdConfiguration?: BreakerThreshold;
}

export interface DeploymentConfiguration {
  /** Percent of desiredCount, default 100; the floor is rounded up. */
  minimumHealthyPercent: number;
  /** Percent of desiredCount, default 200; the ceiling is rounded down. */
  maximumPercent: number;
  deploymentCircuitBreaker?: DeploymentCircuitBreaker;
  /** Settings of other strategies and alarms, kept as sent. */
  rest?: Readonly<Record<string, unknown>>;
}

export interface ServiceEvent {
  id: string;
  createdAt: number;
  message: string;
}

/** Over availability zones, as ECS does; over instances, by a tag. */
export type RebalancingCause = 'zones' | 'instances';

/** The service is being spread anew, one task at a time. */
export interface Rebalancing {
  cause: RebalancingCause;
  /** `replacement` was started for `victim`, which stops when it is healthy. Absent between two moves. */
  move?: { victim: string; replacement: string };
}

export interface Service {
  serviceArn: string;
  serviceName: string;
  clusterName: string;
  status: ServiceStatus;
  schedulingStrategy: SchedulingStrategy;
  desiredCount: number;
  /** Empty when the controller is EXTERNAL: each task set has its own. */
  taskDefinitionArn: string;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  /** Present when it has one; `launchType` follows from it then and is not shown. */
  capacityProviderStrategy?: CapacityStrategy;
  deploymentController: 'ECS' | 'CODE_DEPLOY' | 'EXTERNAL';
  deploymentConfiguration: DeploymentConfiguration;
  /** Newest first; the first is PRIMARY. */
  deployments: readonly Deployment[];
  /** Newest first; at most 100. */
  events: readonly ServiceEvent[];
  placementConstraints: readonly PlacementConstraint[];
  placementStrategy: readonly PlacementStrategy[];
  networkConfiguration?: NetworkConfiguration;
  healthCheckGracePeriodSeconds?: number;
  enableExecuteCommand: boolean;
  enableECSManagedTags: boolean;
  propagateTags: 'TASK_DEFINITION' | 'SERVICE' | 'NONE';
  availabilityZoneRebalancing: 'ENABLED' | 'DISABLED';
  rebalancing?: Rebalancing;
  /** Fields of features that act later (load balancers, registries, …), kept as sent and returned unchanged. */
  kept: Readonly<Record<string, unknown>>;
  createdAt: number;
  createdBy?: string;
  deletedAt?: number;
  tags: readonly Tag[];
}

export const maximumServiceEvents = 100;
