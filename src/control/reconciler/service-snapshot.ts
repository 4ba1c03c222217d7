/** Reads what a decision about a service needs, inside one transaction. */
import { arnId } from '#model/arn.ts';
import { capability, hasRegistered } from '#model/capabilities.ts';
import { isEssential } from '#model/container-definition.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { prepullState } from '#model/prepull.ts';
import type { Service } from '#model/service.ts';
import { attributesToRun } from '#model/task-definition-requirements.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { Task } from '#model/task.ts';
import type { OccupiedInstance, StoreTransaction } from '#control/store/store.ts';
import type {
  AgentView,
  DaemonInstance,
  MissingImages,
  SchedulingRules,
  ServiceSnapshot,
  Unplaced,
} from '../deployments/snapshot.ts';
import { isLive, isLost } from '../deployments/task-health.ts';
import { candidatesOn } from '../scheduler/candidate.ts';
import { refusalOf, suitabilityFilters } from '../scheduler/filters.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { removalOrder } from '../scheduler/scale-in.ts';
import { taskResources } from '#model/task-definition.ts';
import { balanceOf, type BalanceView } from './service-balance.ts';

export interface SnapshotOptions {
  /** When this control began to listen (epoch ms): silence before that proves nothing. */
  listeningSince: number;
  rules: SchedulingRules;
  unplaced: ReadonlyMap<string, Unplaced>;
  now: number;
}

export async function readServiceSnapshot(
  tx: StoreTransaction,
  service: Service,
  { rules, unplaced, now, listeningSince }: SnapshotOptions,
): Promise<ServiceSnapshot> {
  const { clusterName, serviceName } = service;
  const known = await tx.tasks.all({ clusterName, serviceName, live: true });
  const live = known.filter(isLive);
  const tasks = [...known, ...(await endedOnProbation(tx, service, known))];
  const instances = await tx.containerInstances.list({ clusterName });
  const definitions = await definitionsInUse(tx, service, tasks);
  const daemon = service.schedulingStrategy === 'DAEMON';
  const places = daemon || mayRemove(service, live) ? await tx.containerInstances.occupied(clusterName) : [];
  let order: readonly string[] | undefined;
  const orderOfRemoval = (): readonly string[] =>
    mayRemove(service, live)
      ? removalOrder({
          tasks: live,
          serviceName,
          strategy: service.placementStrategy,
          capacityProviderStrategy: service.capacityProviderStrategy,
          candidates: candidatesOn(places),
        })
      : [];
  return {
    service,
    tasks,
    drainingInstances: new Set(
      instances.filter(({ status }) => status === 'DRAINING').map(({ containerInstanceArn }) => containerInstanceArn),
    ),
    agents: agentsOf(known, instances, { listeningSince, now }),
    healthChecked: new Set(definitions.filter(hasHealthCheck).map(({ taskDefinitionArn }) => taskDefinitionArn)),
    unplaced,
    daemonInstances: daemon ? await readDaemonInstances(tx, service, { places, definitions }) : [],
    // It costs more than all the rest, and most decisions remove nothing.
    removalOrder: () => (order ??= orderOfRemoval()),
    prepulls: prepullsOf(service, instances, now),
    ...(await balancePart(tx, service, { live, instances, definitions, now })),
    rules,
  };
}

async function balancePart(
  tx: StoreTransaction,
  service: Service,
  view: Omit<BalanceView, 'request' | 'occupying'> & { definitions: readonly TaskDefinition[] },
): Promise<Pick<ServiceSnapshot, 'balance'>> {
  const balance = await balanceOf(service, {
    ...view,
    request: (definition) => placementRequestOf(service, definition),
    occupying: () => tx.tasks.occupying(service.clusterName),
  });
  return balance === undefined ? {} : { balance };
}

/** See `ServiceSnapshot.agents`. */
function agentsOf(
  tasks: readonly Task[],
  instances: readonly ContainerInstance[],
  { listeningSince, now }: Pick<SnapshotOptions, 'listeningSince' | 'now'>,
): ServiceSnapshot['agents'] {
  const agents = new Map<string, AgentView>();
  const lost = new Set(tasks.filter(isLost).map(({ containerInstanceArn = '' }) => containerInstanceArn));
  // Nearly all are connected, and nearly always nothing is lost.
  if (lost.size === 0 && instances.every(({ agentConnected }) => agentConnected)) return agents;
  const used = new Set(tasks.map(({ containerInstanceArn = '' }) => containerInstanceArn));
  for (const { containerInstanceArn, agentConnected, agentConnectedChangedAt } of instances) {
    const matters = agentConnected ? lost : used;
    if (matters.size === 0 || !matters.has(containerInstanceArn)) continue;
    // What is yet to come was noted by a clock that has been set back since: it was some time ago.
    const changedAt = agentConnectedChangedAt > now ? 0 : agentConnectedChangedAt;
    const since = agentConnected ? changedAt : Math.max(changedAt, listeningSince);
    agents.set(containerInstanceArn, { connected: agentConnected, since });
  }
  return agents;
}

/** Where the PRIMARY's images are not known to be; see `ServiceSnapshot.prepulls`. An agent that is away for a moment is asked when it is back. */
function prepullsOf(
  { deployments }: Service,
  instances: readonly ContainerInstance[],
  now: number,
): ServiceSnapshot['prepulls'] {
  const states = new Map<string, MissingImages>();
  const primary = deployments.find(({ status }) => status === 'PRIMARY');
  if (primary === undefined || deployments.length < 2) return states;
  for (const instance of instances) {
    const { containerInstanceArn, status, prepulls = [] } = instance;
    if (status !== 'ACTIVE' || !hasRegistered(instance, capability.prepull)) continue;
    const asked = prepulls.find(({ deploymentId }) => deploymentId === primary.id);
    const state = prepullState(asked, now);
    if (state.kind !== 'pulled') states.set(containerInstanceArn, state);
  }
  return states;
}

/** The definition an ARN names, also when it is INACTIVE: services go on with what they were told. */
export async function definitionByArn(tx: StoreTransaction, arn: string): Promise<TaskDefinition | undefined> {
  const match = /^(.+):(\d+)$/.exec(arnId(arn));
  if (match === null) return undefined;
  const [, family = '', revision = ''] = match;
  return tx.taskDefinitions.get(family, Number(revision));
}

async function endedOnProbation(tx: StoreTransaction, service: Service, live: readonly Task[]): Promise<Task[]> {
  const entries = service.deployments.flatMap(({ progress }) => progress?.probation ?? []);
  if (entries.length === 0) return [];
  const known = new Set(live.map(({ taskArn }) => taskArn));
  const arns = entries.map(({ taskArn }) => taskArn).filter((arn) => !known.has(arn));
  return arns.length === 0 ? [] : tx.tasks.getMany(arns);
}

async function definitionsInUse(
  tx: StoreTransaction,
  service: Service,
  tasks: readonly Task[],
): Promise<TaskDefinition[]> {
  const arns = new Set([...service.deployments, ...tasks].map(({ taskDefinitionArn }) => taskDefinitionArn));
  const definitions: TaskDefinition[] = [];
  for (const arn of arns) {
    const definition = await definitionByArn(tx, arn);
    if (definition !== undefined) definitions.push(definition);
  }
  return definitions;
}

function hasHealthCheck({ body }: TaskDefinition): boolean {
  return body.containerDefinitions.some(
    (container) =>
      isEssential(container) && container.healthCheck !== undefined && container.healthCheck.command[0] !== 'NONE',
  );
}

/** Whether the order of removal can matter. */
function mayRemove({ deployments, desiredCount, deploymentController }: Service, live: readonly Task[]): boolean {
  return deployments.length > 1 || deploymentController === 'EXTERNAL' || live.length > desiredCount;
}

interface ClusterView {
  places: readonly OccupiedInstance[];
  definitions: readonly TaskDefinition[];
}

async function readDaemonInstances(
  tx: StoreTransaction,
  service: Service,
  { places, definitions }: ClusterView,
): Promise<DaemonInstance[]> {
  const primary = service.deployments.find(({ status }) => status === 'PRIMARY');
  const definition = definitions.find(({ taskDefinitionArn }) => taskDefinitionArn === primary?.taskDefinitionArn);
  const request = definition && placementRequestOf(service, definition);
  const replicas = await replicaServices(tx, places, service.clusterName);
  return candidatesOn(places).map((candidate) => {
    const { containerInstanceArn, status, agentConnected } = candidate.instance;
    return {
      containerInstanceArn,
      suitable: request !== undefined && refusalOf(candidate, request, suitabilityFilters) === undefined,
      draining: status === 'DRAINING',
      connected: agentConnected,
      inUse: candidate.occupants.some((task) => replicas.has(task.serviceName ?? '')),
    };
  });
}

/** For one more task of the service, as a launch would ask for it. */
function placementRequestOf(service: Service, definition: TaskDefinition): PlacementRequest {
  return {
    count: 1,
    group: `service:${service.serviceName}`,
    serviceName: service.serviceName,
    launchType: service.launchType,
    resources: taskResources(definition.body),
    requiredAttributes: attributesToRun(definition, service),
    constraints: [...(definition.body.placementConstraints ?? []), ...service.placementConstraints],
    strategy: service.placementStrategy,
  };
}

/** Names of the REPLICA services that have tasks in the cluster. */
async function replicaServices(
  tx: StoreTransaction,
  places: readonly OccupiedInstance[],
  clusterName: string,
): Promise<Set<string>> {
  const named = new Set(places.flatMap(({ tasks }) => tasks.flatMap(({ serviceName }) => serviceName ?? [])));
  const names = new Set<string>();
  for (const serviceName of named) {
    const other = await tx.services.get(clusterName, serviceName);
    if (other?.schedulingStrategy === 'REPLICA') names.add(serviceName);
  }
  return names;
}
