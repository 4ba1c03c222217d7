/**
 * Tasks that wait for room. A look at a cluster offers its PROVISIONING tasks to placement, oldest first; one that does not fit holds up
 * none of another shape behind it, and all of its own shape. What is placed becomes PENDING on its instance, what has waited too
 * long stops and says what was missing, what waits on says why. Everything is in the rows: a look may be cut off or repeated at any moment.
 */
import { attributesToRun } from '#model/task-definition-requirements.ts';
import { withOverriddenNeeds } from '#model/overridden-needs.ts';
import { noLongerWaiting, stillWaiting, timedOutReason } from '#model/placement-wait.ts';
import { taskResources } from '#model/task-definition.ts';
import type { Task } from '#model/task.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import type { Occupant } from '../scheduler/candidate.ts';
import { occupantOf, place } from '../scheduler/place.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { assignmentNumbers } from './assignment-number.ts';
import { instancesOfProvider } from './capacity-shares.ts';
import { onInstance, refusalText, type LaunchDeps } from './launch.ts';
import { definitionByArn } from './service-snapshot.ts';
import { endedUnplaced } from './stop.ts';

export interface ProvisioningDeps extends LaunchDeps {
  store: Store;
}

export interface ProvisioningLook {
  /** Whether tasks of the cluster go on waiting: look again when an instance changes or a task ends. */
  waiting: boolean;
  /** Epoch milliseconds: the earliest deadline. */
  lookAgainAt?: number;
}

/** Each transaction offers so many rows of equal tasks, so that nobody waits long for a cluster with many different ones. */
const offersPerTransaction = 25;

/** What earlier transactions of the same look found out. */
interface Progress {
  offered: ReadonlySet<string>;
  /** By shape: why there is no room. */
  refused: ReadonlyMap<string, string>;
}

interface Step extends Progress {
  left: readonly Task[];
  done: boolean;
}

export async function reconcileProvisioning(deps: ProvisioningDeps, clusterName: string): Promise<ProvisioningLook> {
  let step: Step = { offered: new Set(), refused: new Map(), left: [], done: false };
  const readWaiting = (): Promise<Task[]> => deps.store.read((tx) => tx.tasks.all({ clusterName, waiting: true }));
  if ((await readWaiting()).length === 0) return { waiting: false };
  while (!step.done) {
    const before: Progress = step;
    step = await deps.store.write((tx) => offerSome(tx, deps, clusterName, before));
  }
  const deadlines = step.left.map((task) => task.waiting?.until ?? task.createdAt);
  return step.left.length === 0 ? { waiting: false } : { waiting: true, lookAgainAt: Math.min(...deadlines) };
}

async function offerSome(
  tx: StoreTransaction,
  deps: ProvisioningDeps,
  clusterName: string,
  before: Progress,
): Promise<Step> {
  const waiting = (await tx.tasks.all({ clusterName, waiting: true })).toSorted(
    (a, b) => a.createdAt - b.createdAt || (a.taskArn < b.taskArn ? -1 : 1),
  );
  const rows = rowsOfEqualTasks(waiting.filter(({ taskArn }) => !before.offered.has(taskArn)));
  const offers = rows.slice(0, offersPerTransaction);
  const now = deps.clock.now();
  const offer = await placer(tx, deps, clusterName);
  const refused = new Map(before.refused);
  const changed: Task[] = [];
  for (const { shape, tasks } of offers) {
    const known = refused.get(shape);
    const { placed, explanation } = known === undefined ? await offer(tasks) : { placed: [], explanation: known };
    changed.push(...placed);
    if (explanation === undefined) continue;
    refused.set(shape, explanation);
    for (const task of tasks.slice(placed.length)) {
      const next =
        (task.waiting?.until ?? 0) <= now
          ? endedUnplaced(task, { stopCode: 'TaskFailedToStart', reason: timedOutReason(task, explanation) }, now)
          : stillWaiting(task, explanation);
      if (next !== task) changed.push(next);
    }
  }
  if (changed.length > 0) await tx.tasks.putMany(changed);
  const gone = new Set(changed.filter(({ lastStatus }) => lastStatus !== 'PROVISIONING').map(({ taskArn }) => taskArn));
  return {
    offered: new Set([...before.offered, ...offers.flatMap(({ tasks }) => tasks.map(({ taskArn }) => taskArn))]),
    refused,
    left: waiting.filter(({ taskArn }) => !gone.has(taskArn)),
    done: offers.length === rows.length,
  };
}

/** Places equal tasks, the first as far as there is room; each offer sees what the ones before it took. */
async function placer(tx: StoreTransaction, deps: ProvisioningDeps, clusterName: string) {
  const instances = await tx.containerInstances.list({ clusterName });
  const byArn = new Map(instances.map((instance) => [instance.containerInstanceArn, instance]));
  const cluster = await tx.clusters.get(clusterName);
  const providers = await tx.capacityProviders.getMany(cluster?.capacityProviders ?? []);
  const occupying: Occupant[] = [...(await tx.tasks.occupying(clusterName))];
  const numberOf = assignmentNumbers(tx);

  return async (tasks: readonly Task[]): Promise<{ placed: Task[]; explanation?: string }> => {
    const [first] = tasks;
    const request = first === undefined ? undefined : await waitingRequest(tx, first, tasks.length);
    if (first === undefined) return { placed: [] };
    if (request === undefined) {
      return { placed: [], explanation: `because its task definition ${first.taskDefinitionArn} was deleted.` };
    }
    const { capacityProviderName } = first;
    const group = instancesOfProvider(capacityProviderName, providers, instances);
    const { placements, refused } = place(request, group, occupying, deps.random);
    const placed: Task[] = [];
    for (const [index, placement] of placements.entries()) {
      const [task, instance] = [tasks[index], byArn.get(placement.containerInstanceArn)];
      if (task === undefined || instance === undefined) continue;
      const assignmentNumber = await numberOf(placement.containerInstanceArn);
      occupying.push(occupantOf(request, placement));
      const next = { ...noLongerWaiting(task), version: task.version + 1 };
      placed.push(onInstance(next, { placement, instance, assignmentNumber }, deps.clock.now()));
    }
    return refused === undefined ? { placed } : { placed, explanation: refusalText(refused, capacityProviderName) };
  };
}

/** What placement is asked for tasks that wait; undefined when their definition is gone. */
export async function waitingRequest(
  tx: StoreTransaction,
  task: Task,
  count: number,
): Promise<PlacementRequest | undefined> {
  const found = await definitionByArn(tx, task.taskDefinitionArn);
  if (found === undefined) return undefined;
  const definition = withOverriddenNeeds(found, task.overrides);
  return {
    count,
    group: task.group,
    launchType: task.launchType,
    resources: taskResources(definition.body, task.overrides),
    requiredAttributes: attributesToRun(definition, task),
    constraints: [...(definition.body.placementConstraints ?? []), ...(task.waiting?.placementConstraints ?? [])],
    strategy: task.waiting?.placementStrategy ?? [],
  };
}

interface Row {
  shape: string;
  tasks: Task[];
}

/** Neighbours that placement cannot tell apart, together. */
function rowsOfEqualTasks(tasks: readonly Task[]): Row[] {
  const rows: Row[] = [];
  for (const task of tasks) {
    const shape = shapeOf(task);
    const last = rows.at(-1);
    if (last?.shape === shape) last.tasks.push(task);
    else rows.push({ shape, tasks: [task] });
  }
  return rows;
}

function shapeOf(task: Task): string {
  const { taskDefinitionArn, overrides, group, launchType, capacityProviderName, enableExecuteCommand } = task;
  const { placementConstraints, placementStrategy } = task.waiting ?? {};
  return JSON.stringify([
    [taskDefinitionArn, group, launchType, capacityProviderName, enableExecuteCommand],
    [overrides, placementConstraints, placementStrategy],
  ]);
}
