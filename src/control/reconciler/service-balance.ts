/**
 * Reads how a service at rest is spread, and which move would spread it better. What is dear (every live task of the cluster) is read only when counts
 * alone say that a move could help.
 */
import type { ContainerInstance } from '#model/container-instance.ts';
import { parseRebalance, policyOf, policyTags } from '#model/policy-tags.ts';
import type { RebalancingCause, Service } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { zoneField } from '#model/zone-rebalancing.ts';
import { isProtected } from '#model/task-protection.ts';
import type { Task } from '#model/task.ts';
import type { OccupyingTask } from '#control/store/store.ts';
import type { Balance } from '../deployments/snapshot.ts';
import { isAlive } from '../deployments/task-health.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { countByValue, isUneven, proposeMove, spreadFields } from '../scheduler/rebalance.ts';

/** An agent that has just connected may be gone again: nothing is moved to it before it has stayed this long. */
export const settledAfterMs = 60_000;

export interface BalanceView {
  live: readonly Task[];
  instances: readonly ContainerInstance[];
  definitions: readonly TaskDefinition[];
  now: number;
  request(definition: TaskDefinition): PlacementRequest;
  occupying(): Promise<OccupyingTask[]>;
}

interface Goal {
  cause: RebalancingCause;
  fields: readonly string[];
}

export async function balanceOf(service: Service, view: BalanceView): Promise<Balance | undefined> {
  // A move names its instance, and would leave the ratio of the providers out of account.
  if (service.capacityProviderStrategy !== undefined) return undefined;
  const [primary, ...older] = service.deployments;
  const { status, schedulingStrategy, desiredCount, rebalancing } = service;
  const atRest = primary?.rolloutState === 'COMPLETED' && older.length === 0 && view.live.length === desiredCount;
  if (status !== 'ACTIVE' || schedulingStrategy === 'DAEMON' || primary === undefined || !atRest) return undefined;
  const definition = view.definitions.find((each) => each.taskDefinitionArn === primary.taskDefinitionArn);
  const own = view.live.filter((task) => isAlive(task) && task.deploymentId === primary.id);
  // With fewer than two tasks no place can have two more than another.
  if (definition === undefined || own.length < Math.max(2, desiredCount)) return undefined;
  let stuck: Balance | undefined;
  for (const goal of goalsOf(service)) {
    const uneven = goal.fields.some((field) => isUneven(countByValue(field, own, view.instances)));
    if (!uneven && rebalancing?.cause !== goal.cause) continue;
    const balance = await towards(goal, service, { ...view, own, request: view.request(definition) });
    if (balance.proposal !== undefined || rebalancing?.cause === goal.cause) return balance;
    stuck ??= balance;
  }
  return stuck;
}

function goalsOf(service: Service): Goal[] {
  const goals: Goal[] = [];
  if (service.availabilityZoneRebalancing === 'ENABLED') goals.push({ cause: 'zones', fields: [zoneField] });
  if (policyOf(service.tags, policyTags.rebalance, parseRebalance, 'DISABLED') === 'ENABLED') {
    const { placementStrategy: strategy, serviceName } = service;
    goals.push({ cause: 'instances', fields: spreadFields({ strategy, serviceName }) });
  }
  return goals.filter(({ fields }) => fields.length > 0);
}

async function towards(
  { cause, fields }: Goal,
  { serviceName }: Service,
  view: Omit<BalanceView, 'request'> & { own: readonly Task[]; request: PlacementRequest },
): Promise<Balance> {
  const { own, instances, now, request } = view;
  const counts = countByValue(fields.at(-1) ?? '', own, instances);
  // What is yet to come was noted by a clock that has been set back since: it was some time ago.
  const settled = ({ agentConnectedChangedAt: at }: ContainerInstance): boolean =>
    at > now || at + settledAfterMs <= now;
  const proposal = proposeMove({
    request: { ...request, serviceName },
    tasks: own.map((task) => ({ ...task, pinned: isProtected(task, now) })),
    instances,
    occupying: await view.occupying(),
    fields,
    mayTake: settled,
    // The same state gives the same answer.
    random: { next: () => 0 },
  });
  const settling = instances.filter((each) => each.agentConnected && each.status === 'ACTIVE' && !settled(each));
  return {
    cause,
    counts: [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    // Over instances there may be more on one than on another for the sake of zones.
    balanced: proposal === undefined && (cause === 'instances' || !isUneven(counts)),
    ...(proposal === undefined ? {} : { proposal }),
    ...(settling.length === 0
      ? {}
      : { settlesAt: Math.min(...settling.map((each) => each.agentConnectedChangedAt + settledAfterMs)) }),
  };
}
