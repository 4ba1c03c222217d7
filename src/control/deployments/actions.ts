/** What a decision about a service may ask for. The union follows from one map, so that an executor that forgets an action does not compile. */
import type { Deployment } from '#model/deployment.ts';
import type { Rebalancing, RebalancingCause, ServiceStatus } from '#model/service.ts';
import type { StopCode } from '#model/task.ts';

export interface HeldPull {
  containerInstanceArn: string;
  failures: number;
  retryAt: number;
}

export interface ServiceActionMap {
  /** Replaces the deployment of the same id. */
  putDeployment: { deployment: Deployment };
  removeDeployment: { deploymentId: string };
  /** Makes the target, which completed once, PRIMARY again in place of the other. */
  rollBack: { failedDeploymentId: string; targetId: string };
  stopTasks: { taskArns: readonly string[]; stopCode: StopCode; reason: string };
  /** Their instances were silent for too long: they count for nothing in the service until their agents are back. */
  loseTasks: { taskArns: readonly string[] };
  /** Lost ones whose agents are back count again. */
  resumeTasks: { taskArns: readonly string[] };
  /** `containerInstanceArns` names the place of each (daemons); otherwise placement chooses. */
  startTasks: { deploymentId: string; count: number; containerInstanceArns?: readonly string[] };
  /** Starts a replacement for the victim on the instance and remembers the pair; nothing when there is no place any more. */
  moveTask: { deploymentId: string; cause: RebalancingCause; victim: string; containerInstanceArn: string; to: string };
  /** Absent: nothing is being spread anew. */
  setRebalancing: { rebalancing?: Rebalancing };
  /** Asks instances to pull the images of a deployment before its tasks come. */
  prepull: { deploymentId: string; containerInstanceArns: readonly string[] };
  /** Notes that failures of pulls were counted, and when their instances are asked again (epoch ms). */
  holdPulls: { deploymentId: string; pulls: readonly HeldPull[] };
  /** Suppressed when it repeats what was said; see service-events.ts. */
  addEvent: { message: string };
  setDesiredCount: { desiredCount: number };
  setStatus: { status: ServiceStatus };
}

export type ServiceActionKind = keyof ServiceActionMap;

export type ServiceAction = { [Kind in ServiceActionKind]: { kind: Kind } & ServiceActionMap[Kind] }[ServiceActionKind];
