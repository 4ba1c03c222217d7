/** How a caller steers placement, and how a refusal is told. */

export interface PlacementConstraint {
  type?: 'distinctInstance' | 'memberOf';
  /** Cluster query language; only for `memberOf`. At most 2000 characters. */
  expression?: string;
}

export interface PlacementStrategy {
  type?: 'random' | 'spread' | 'binpack';
  field?: string;
}

/** What a task that waits for a place keeps until it has one; see placement-wait.ts. */
export interface PlacementWait {
  /** Epoch milliseconds; not placed by then, it stops. */
  until: number;
  /** Those of the request; the definition has its own. */
  placementConstraints: readonly PlacementConstraint[];
  placementStrategy: readonly PlacementStrategy[];
}

export interface NetworkConfiguration {
  awsvpcConfiguration?: {
    subnets: readonly string[];
    securityGroups?: readonly string[];
    assignPublicIp?: 'ENABLED' | 'DISABLED';
  };
}

export interface EphemeralStorage {
  sizeInGiB: number;
}

/** ECS's reasons for not placing, as they appear in `failures[].reason`. */
export type PlacementFailureReason =
  | 'RESOURCE:CPU'
  | 'RESOURCE:MEMORY'
  | 'RESOURCE:PORTS'
  | 'RESOURCE:GPU'
  | 'AGENT'
  | 'ATTRIBUTE'
  | 'LOCATION'
  | 'MISSING'
  | 'INACTIVE'
  | 'EMPTY_CAPACITY'
  | 'UNSUPPORTED';

/** One item of `failures[]` in an ECS answer (which then still is HTTP 200). */
export interface Failure {
  arn?: string;
  reason: string;
  detail?: string;
}
