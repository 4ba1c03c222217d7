/** Everything a decision about a service looks at. Data only: the same snapshot and time give the same decision. */
import type { PrepullState } from '#model/prepull.ts';
import type { RebalancingCause, Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';

/** Tasks of a deployment that placement refused a moment ago, in the same transaction. */
export interface Unplaced {
  count: number;
  /** Completes "(service web) was unable to place a task". */
  explanation: string;
  /** Whether room would help: some instance lacked CPU, memory, ports, GPUs, or already had a task of the group. */
  forWantOfRoom: boolean;
}

/** An instance as a DAEMON service sees it. */
export interface DaemonInstance {
  containerInstanceArn: string;
  /** ACTIVE, and it meets the attributes and constraints of the PRIMARY deployment. */
  suitable: boolean;
  draining: boolean;
  connected: boolean;
  /** Whether live tasks of other than DAEMON services are still on it: daemons leave last. */
  inUse: boolean;
}

export interface SchedulingRules {
  /**
   * How long a task without health check must have been RUNNING before it may take another's place in a rolling update.
   * ECS waits 40 s; see docs/deployments.md.
   */
  healthyAfterMs: number;
  /** How long an instance may be silent before tasks of services are replaced elsewhere, where the service says nothing; 0 means for ever. */
  lostAfterMs: number;
}

export const defaultSchedulingRules: SchedulingRules = { healthyAfterMs: 40_000, lostAfterMs: 60_000 };

/** The agent of a container instance: connected, or silent, since then (epoch ms). */
export interface AgentView {
  connected: boolean;
  since: number;
}

/** What is wanted of a service's spread, and what would bring it nearer. */
export interface Balance {
  cause: RebalancingCause;
  /** Tasks by zone (or instance), in the order of their names. */
  counts: readonly (readonly [value: string, count: number])[];
  /** Whether no two of these differ by more than one. */
  balanced: boolean;
  proposal?: { victim: string; containerInstanceArn: string; to: string };
  /** When the next instance has been connected for long enough to be moved to (epoch ms). */
  settlesAt?: number;
}

export type MissingImages = Exclude<PrepullState, { kind: 'pulled' }>;

export interface ServiceSnapshot {
  service: Service;
  /** Tasks of the service that have not STOPPED, lost ones too, and those on probation that have ended meanwhile. */
  tasks: readonly Task[];
  /** ARNs of the cluster's DRAINING instances. */
  drainingInstances: ReadonlySet<string>;
  /** By instance; the silent ones among those that have tasks of the service, and those of its lost tasks. */
  agents: ReadonlyMap<string, AgentView>;
  /** ARNs of the task definitions, among those in use, that have an essential container with a health check. */
  healthChecked: ReadonlySet<string>;
  /** By deployment. */
  unplaced: ReadonlyMap<string, Unplaced>;
  /** The instances of the cluster; empty for REPLICA. */
  daemonInstances: readonly DaemonInstance[];
  /** ARNs of the service's tasks, the first to go first; a task that is not named goes after those that are. */
  removalOrder(): readonly string[];
  /**
   * Instances that have yet to pull the images of the PRIMARY deployment, as far as their agents can ahead of tasks. Where an instance is not named
   * nothing is to be waited for.
   */
  prepulls: ReadonlyMap<string, MissingImages>;
  /** How the service's spread could be better; absent when nothing asks for it, it is even, or the service is not at rest. */
  balance?: Balance;
  rules: SchedulingRules;
}
