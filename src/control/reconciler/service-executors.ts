/**
 * Carries out what a decision asks for, on a draft of the service that is saved once at the end. A record over the union of actions: an
 * action without executor does not compile.
 */
import { arnId } from '#model/arn.ts';
import { freshProgress, type Deployment } from '#model/deployment.ts';
import type { Cluster } from '#model/cluster.ts';
import { askedAgain, imagesOf, withPrepull } from '#model/prepull.ts';
import type { Service } from '#model/service.ts';
import type { Tag } from '#model/tag.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { Task } from '#model/task.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import type { ServiceAction, ServiceActionKind, ServiceActionMap } from '../deployments/actions.ts';
import { pinnedDigestOf } from '../deployments/pinned-images.ts';
import { withRollback } from '../deployments/new-deployment.ts';
import { eventSubject, eventTexts, rebalancingTexts } from '../deployments/reasons.ts';
import { withEvent } from '../deployments/service-events.ts';
import type { Unplaced } from '../deployments/snapshot.ts';
import { launchTasks, type LaunchDeps, type LaunchOutcome, type LaunchRequest } from './launch.ts';
import { assignmentNumbers } from './assignment-number.ts';
import { definitionByArn } from './service-snapshot.ts';
import { requestStops } from './stop.ts';

/** One transaction's work on one service. */
export interface ServiceWork {
  readonly tx: StoreTransaction;
  readonly deps: LaunchDeps;
  readonly cluster: Cluster;
  readonly now: number;
  service: Service;
  /** How many tasks this look may still start; 0 says that there may be more to start. */
  startsLeft: number;
  /** What placement refused so far, by deployment. */
  readonly unplaced: Map<string, Unplaced>;
}

type Executors = {
  [Kind in ServiceActionKind]: (work: ServiceWork, action: ServiceActionMap[Kind]) => Promise<void> | void;
};

const executors: Executors = {
  putDeployment(work, { deployment }) {
    changeDeployments(work, (deployments) =>
      deployments.map((existing) => (existing.id === deployment.id ? deployment : existing)),
    );
  },

  removeDeployment(work, { deploymentId }) {
    changeDeployments(work, (deployments) => deployments.filter(({ id }) => id !== deploymentId));
  },

  rollBack(work, rollback) {
    work.service = withRollback(work.service, { ...rollback, now: work.now });
  },

  async stopTasks(work, { taskArns, stopCode, reason }) {
    const tasks = await work.tx.tasks.getMany(taskArns);
    await requestStops(work.tx, work.deps, tasks, { stopCode, reason });
    addEvent(work, eventTexts.stopped(eventSubject(work.service, tasks[0]?.deploymentId), taskArns));
  },

  async startTasks(work, action) {
    const deployment = work.service.deployments.find(({ id }) => id === action.deploymentId);
    if (deployment === undefined || work.startsLeft === 0) return;
    const definition = await definitionByArn(work.tx, deployment.taskDefinitionArn);
    if (definition === undefined) {
      const explanation = `because its task definition ${deployment.taskDefinitionArn} was deleted.`;
      work.unplaced.set(deployment.id, { count: action.count, explanation, forWantOfRoom: false });
      return;
    }
    const request = launchRequestOf(work, deployment, definition, atMost(action, work.startsLeft));
    const outcome = await launchTasks(work.tx, work.deps, request);
    work.startsLeft -= outcome.tasks.length;
    if (outcome.tasks.length > 0) {
      putOnProbation(work, deployment.id, outcome.tasks);
      const taskArns = outcome.tasks.map(({ taskArn }) => taskArn);
      addEvent(work, eventTexts.started(eventSubject(work.service, deployment.id), taskArns));
    }
    if (outcome.unplaced > 0) work.unplaced.set(deployment.id, unplacedOf(outcome));
  },

  async loseTasks({ tx, now }, { taskArns }) {
    const tasks = await tx.tasks.getMany(taskArns);
    await tx.tasks.putMany(tasks.map((task) => ({ ...task, lostAt: now, version: task.version + 1 })));
  },

  async resumeTasks({ tx }, { taskArns }) {
    const numberOf = assignmentNumbers(tx);
    const resumed: Task[] = [];
    for (const { lostAt: _, ...task } of await tx.tasks.getMany(taskArns)) {
      // The agent may never have got it: only now is it told (assignments.ts).
      const assignmentNumber = await numberOf(task.containerInstanceArn ?? '');
      resumed.push({ ...task, version: task.version + 1, assignmentNumber });
    }
    await tx.tasks.putMany(resumed);
  },

  async moveTask(work, { deploymentId, cause, victim, containerInstanceArn, to }) {
    const deployment = work.service.deployments.find(({ id }) => id === deploymentId);
    const definition = deployment && (await definitionByArn(work.tx, deployment.taskDefinitionArn));
    if (deployment === undefined || definition === undefined) return;
    const place = { count: 1, containerInstanceArns: [containerInstanceArn] };
    const request = launchRequestOf(work, deployment, definition, place);
    const [task] = (await launchTasks(work.tx, work.deps, request)).tasks;
    if (task === undefined) return;
    putOnProbation(work, deploymentId, [task]);
    work.service = { ...work.service, rebalancing: { cause, move: { victim, replacement: task.taskArn } } };
    const where = cause === 'zones' ? to : arnId(containerInstanceArn);
    addEvent(work, rebalancingTexts[cause].taskStarted(work.service.serviceName, where, task.taskArn));
  },

  setRebalancing(work, { rebalancing }) {
    const { rebalancing: _, ...service } = work.service;
    work.service = rebalancing === undefined ? service : { ...service, rebalancing };
  },

  async prepull(work, { deploymentId, containerInstanceArns }) {
    const deployment = work.service.deployments.find(({ id }) => id === deploymentId);
    const definition = deployment && (await definitionByArn(work.tx, deployment.taskDefinitionArn));
    if (definition === undefined) return;
    const images = imagesOf(definition.body, (container) => pinnedDigestOf(container, deployment?.pinnedImages));
    for (const arn of containerInstanceArns) {
      const instance = await work.tx.containerInstances.get(arn);
      if (instance === undefined) continue;
      const before = instance.prepulls?.find((prepull) => prepull.deploymentId === deploymentId);
      const asked = askedAgain(before, { deploymentId, images, askedAt: work.now });
      await work.tx.containerInstances.put({ ...instance, prepulls: withPrepull(instance.prepulls, asked) });
    }
  },

  async holdPulls(work, { deploymentId, pulls }) {
    for (const { containerInstanceArn, failures, retryAt } of pulls) {
      const instance = await work.tx.containerInstances.get(containerInstanceArn);
      const failed = instance?.prepulls?.find((prepull) => prepull.deploymentId === deploymentId);
      if (instance === undefined || failed === undefined) continue;
      const prepulls = withPrepull(instance.prepulls, { ...failed, failures, retryAt });
      await work.tx.containerInstances.put({ ...instance, prepulls });
    }
  },

  addEvent(work, { message }) {
    addEvent(work, message);
  },

  setDesiredCount(work, { desiredCount }) {
    work.service = { ...work.service, desiredCount };
  },

  setStatus(work, { status }) {
    const deletedAt = status === 'ACTIVE' ? {} : { deletedAt: work.service.deletedAt ?? work.now };
    work.service = { ...work.service, status, ...deletedAt };
  },
};

export async function execute(work: ServiceWork, action: ServiceAction): Promise<void> {
  await run(work, action.kind, action);
}

async function run<Kind extends ServiceActionKind>(
  work: ServiceWork,
  kind: Kind,
  action: ServiceActionMap[Kind],
): Promise<void> {
  await executors[kind](work, action);
}

function atMost({ count, containerInstanceArns, ...rest }: ServiceActionMap['startTasks'], most: number) {
  return {
    ...rest,
    count: Math.min(count, most),
    ...(containerInstanceArns === undefined ? {} : { containerInstanceArns: containerInstanceArns.slice(0, most) }),
  };
}

/** The launch that starting tasks of a deployment means. */
export function launchRequestOf(
  { cluster, service }: Pick<ServiceWork, 'cluster' | 'service'>,
  deployment: Deployment,
  definition: TaskDefinition,
  { count, containerInstanceArns }: Pick<ServiceActionMap['startTasks'], 'count' | 'containerInstanceArns'>,
): LaunchRequest {
  const networkConfiguration = deployment.networkConfiguration ?? service.networkConfiguration;
  return {
    cluster,
    definition,
    count,
    group: `service:${service.serviceName}`,
    startedBy: deployment.id,
    launchType: deployment.launchType,
    capacityProviderStrategy: deployment.capacityProviderStrategy,
    overrides: {},
    placementConstraints: service.placementConstraints,
    placementStrategy: service.placementStrategy,
    ...(containerInstanceArns === undefined ? {} : { containerInstanceArns }),
    tags: taskTags({ service, cluster }, definition),
    serviceName: service.serviceName,
    deploymentId: deployment.id,
    pinnedImages: deployment.pinnedImages,
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    enableExecuteCommand: service.enableExecuteCommand,
  };
}

function taskTags({ service, cluster }: Pick<ServiceWork, 'cluster' | 'service'>, definition: TaskDefinition): Tag[] {
  const managed: Tag[] = service.enableECSManagedTags
    ? [
        { key: 'aws:ecs:clusterName', value: cluster.clusterName },
        { key: 'aws:ecs:serviceName', value: service.serviceName },
      ]
    : [];
  if (service.propagateTags === 'SERVICE') return [...managed, ...service.tags];
  if (service.propagateTags === 'TASK_DEFINITION') return [...managed, ...definition.tags];
  return managed;
}

/** What a decision is to know of a launch that found too few places. */
export function unplacedOf({
  unplaced,
  failures,
  explanation,
}: Pick<LaunchOutcome, 'unplaced' | 'failures' | 'explanation'>): Unplaced {
  return {
    count: unplaced,
    explanation: explanation ?? 'because no container instance met all of its requirements.',
    forWantOfRoom: failures.some(
      ({ reason, detail }) => reason.startsWith('RESOURCE:') || detail?.startsWith('distinctInstance') === true,
    ),
  };
}

function putOnProbation(work: ServiceWork, deploymentId: string, tasks: readonly Task[]): void {
  const entries = tasks.map(({ taskArn }) => ({ taskArn }));
  changeDeployments(work, (deployments) =>
    deployments.map((deployment) => {
      if (deployment.id !== deploymentId) return deployment;
      const progress = deployment.progress ?? freshProgress;
      return { ...deployment, progress: { ...progress, probation: [...progress.probation, ...entries] } };
    }),
  );
}

function addEvent(work: ServiceWork, message: string): void {
  const event = { id: work.deps.ids.uuid(), createdAt: work.now, message };
  const events = withEvent(work.service.events, event);
  if (events !== work.service.events) work.service = { ...work.service, events };
}

function changeDeployments(
  work: ServiceWork,
  change: (deployments: readonly Deployment[]) => readonly Deployment[],
): void {
  work.service = { ...work.service, deployments: change(work.service.deployments) };
}
