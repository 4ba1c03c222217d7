/** One look at one service: read the snapshot, decide, carry it out, all in one write transaction. */
import { isSameValue } from '#model/same-value.ts';
import { arnId, clusterNameInArn } from '#model/arn.ts';
import type { Waiting } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import { decideService, type ServiceDecision } from '../deployments/decide-service.ts';
import type { SchedulingRules, Unplaced } from '../deployments/snapshot.ts';
import type { LaunchDeps } from './launch.ts';
import { execute, type ServiceWork } from './service-executors.ts';
import { saveService } from './save-service.ts';
import { readServiceSnapshot } from './service-snapshot.ts';

export interface ServiceLook {
  /** Epoch milliseconds. */
  lookAgainAt?: number;
  waiting?: Waiting;
  /** Some of its tasks found no place: look again when a machine changes or a task ends. */
  wantsPlace: boolean;
  /** Some of its tasks go on until instances have pulled: look again when one answers. */
  awaitsImages: boolean;
  /** How many it has that have not ended. */
  tasks: number;
}

export interface ServiceLookDeps extends LaunchDeps {
  store: Store;
  rules: SchedulingRules;
  /** When this control began to listen (epoch ms). */
  listeningSince: number;
}

/** So many are started at once; the next look goes on, and what else the store has to do comes in between. */
const mostStartsOfALook = 250;
/** A decision may learn from placement that there is no room, and then decide once more with that knowledge. */
const mostRounds = 3;

export function reconcileService(deps: ServiceLookDeps, serviceArn: string): Promise<ServiceLook> {
  return deps.store.write((tx) => lookAtService(tx, deps, serviceArn));
}

async function lookAtService(tx: StoreTransaction, deps: ServiceLookDeps, serviceArn: string): Promise<ServiceLook> {
  const clusterName = clusterNameInArn(serviceArn) ?? '';
  const service = await tx.services.get(clusterName, arnId(serviceArn));
  const cluster = await tx.clusters.get(clusterName);
  if (service === undefined || cluster === undefined || service.status === 'INACTIVE')
    return { wantsPlace: false, awaitsImages: false, tasks: 0 };

  const now = deps.clock.now();
  const unplaced = new Map<string, Unplaced>();
  const work: ServiceWork = { tx, deps, cluster, now, service, unplaced, startsLeft: mostStartsOfALook };
  let tasks = 0;
  let decision: ServiceDecision = { actions: [] };
  for (let round = 0; round < mostRounds; round += 1) {
    const refusedBefore = unplaced.size;
    const { rules, listeningSince } = deps;
    const snapshot = await readServiceSnapshot(tx, work.service, { rules, unplaced, now, listeningSince });
    tasks = snapshot.tasks.length;
    decision = decideService(snapshot, now);
    for (const action of decision.actions) await execute(work, action);
    if (unplaced.size === refusedBefore) break;
  }
  if (!sameContent(work.service, service)) await saveService(tx, { before: service, after: work.service, now });
  const { waiting } = decision;
  // Where some found no place, more would not either: the next look waits for room.
  const wakeAt = work.startsLeft > 0 || unplaced.size > 0 ? decision.wakeAt : now;
  return {
    tasks,
    wantsPlace: unplaced.size > 0,
    awaitsImages: decision.awaitsImages === true,
    ...(wakeAt === undefined ? {} : { lookAgainAt: wakeAt }),
    ...(waiting === undefined ? {} : { waiting }),
  };
}

/** Rounds may change something and change it back; what then differs in `updatedAt` alone is not written (I12). */
function sameContent(a: Service, b: Service): boolean {
  const content = (service: Service): Service => ({
    ...service,
    deployments: service.deployments.map((deployment) => ({ ...deployment, updatedAt: 0 })),
  });
  return a === b || isSameValue(content(a), content(b));
}
