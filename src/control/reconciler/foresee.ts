/**
 * What the next look at a service would decide, without carrying anything out: the same snapshot, the same decision, the same placement, and no
 * write. `berth why` is made of it.
 */
import type { Cluster } from '#model/cluster.ts';
import type { Random } from '#lib/random.ts';
import type { Service } from '#model/service.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import type { WhyPlacement } from '#protocol/why.ts';
import { decideService, type ServiceDecision } from '../deployments/decide-service.ts';
import type { SchedulingRules, ServiceSnapshot, Unplaced } from '../deployments/snapshot.ts';
import { reportPlacementAmong } from '../scheduler/placement-report.ts';
import { findPlaces, unplacedPart } from './launch.ts';
import { launchRequestOf, unplacedOf } from './service-executors.ts';
import { definitionByArn, readServiceSnapshot } from './service-snapshot.ts';

export interface ForesightDeps {
  rules: SchedulingRules;
  random: Random;
}

export interface Foresight {
  snapshot: ServiceSnapshot;
  decision: ServiceDecision;
  /** For each deployment that would start tasks and finds too few places. */
  placement: WhyPlacement[];
}

/** Decides once, asks placement where the tasks to start would go, and where it refuses decides again knowing that, as a look does. */
export async function foreseeService(
  tx: StoreTransaction,
  { rules, random }: ForesightDeps,
  { service, cluster, now }: { service: Service; cluster: Cluster; now: number },
): Promise<Foresight> {
  const snapshot = await readServiceSnapshot(tx, service, { rules, unplaced: new Map(), now, listeningSince: 0 });
  const decision = decideService(snapshot, now);
  const unplaced = new Map<string, Unplaced>();
  const placement: WhyPlacement[] = [];
  for (const action of decision.actions) {
    if (action.kind !== 'startTasks') continue;
    const deployment = service.deployments.find(({ id }) => id === action.deploymentId);
    const definition = deployment && (await definitionByArn(tx, deployment.taskDefinitionArn));
    if (deployment === undefined || definition === undefined) continue;
    const request = launchRequestOf({ service, cluster }, deployment, definition, action);
    const search = await findPlaces(tx, { random }, request);
    const { noInstances: _, ...part } = unplacedPart(request, search);
    if (part.unplaced === 0) continue;
    unplaced.set(deployment.id, unplacedOf(part));
    for (const { candidates, result } of search.shares) {
      const tasks = (result.refused?.count ?? 0) + search.unknown.length;
      if (tasks === 0) continue;
      const report = reportPlacementAmong(search.wanted, candidates);
      placement.push({ deploymentId: deployment.id, tasks, ...report });
    }
  }
  if (unplaced.size === 0) return { snapshot, decision, placement };
  const knowing = { ...snapshot, unplaced };
  return { snapshot: knowing, decision: decideService(knowing, now), placement };
}
