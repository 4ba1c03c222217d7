/**
 * CreateTaskSet, UpdateTaskSet, DeleteTaskSet, DescribeTaskSets, UpdateServicePrimaryTaskSet. They change the service's row; starting and stopping
 * tasks is the reconciler's work.
 */
import { taskSetArn, type Realm } from '#model/arn.ts';
import type { Failure } from '#model/placement.ts';
import type { Service } from '#model/service.ts';
import { computedDesiredCount, maximumTaskSets, taskSetsOf, withTaskSet, type TaskSet } from '#model/task-set.ts';
import {
  invalidParameter,
  serviceNotFound,
  taskSetNotFound,
  taskSetsNeedExternalController,
  tooManyTaskSets,
  unsupportedFeature,
} from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { renderTaskSet } from '#protocol/ecs/render-task-set.ts';
import { newDeployment } from '../deployments/new-deployment.ts';
import type { StoreTransaction } from '../store/store.ts';
import { chosenCapacity } from './capacity-checks.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { idempotently } from './idempotency.ts';
import { checkNetwork, checkPlatform, chosenLaunchType, definitionToRun } from './launch-checks.ts';
import { activeCluster, activeService, findService, readableClusterName } from './lookups.ts';

type TaskSetOperation =
  | 'CreateTaskSet'
  | 'UpdateTaskSet'
  | 'DeleteTaskSet'
  | 'DescribeTaskSets'
  | 'UpdateServicePrimaryTaskSet';

export const taskSetHandlers: Handlers<TaskSetOperation> = {
  async CreateTaskSet(context, input) {
    const { store, realm, clock } = context;
    return store.write(async (tx) => {
      const service = await externalService(tx, realm, input);
      return idempotently(
        tx,
        { scope: `CreateTaskSet ${service.serviceArn}`, clientToken: input.clientToken, input, now: clock.now() },
        {
          async perform() {
            const set = await newTaskSet(tx, context, service, input);
            const deployments = [set, ...service.deployments];
            await tx.services.put({ ...service, deployments });
            const arn = taskSetArn(realm, service.clusterName, service.serviceName, set.id);
            return { answer: await answer(tx, realm, service, set), resources: [arn] };
          },
          async replay([made = '']) {
            return answer(tx, realm, service, requiredTaskSet(service, realm, made));
          },
        },
      );
    });
  },

  async UpdateTaskSet({ store, realm, clock }, { taskSet: reference, scale, ...place }) {
    const { value } = scale;
    if (value === undefined) throw invalidParameter('scale.value: is required');
    return store.write(async (tx) => {
      const service = await externalService(tx, realm, place);
      const before = requiredTaskSet(service, realm, reference);
      if (before.taskSet.draining) throw invalidParameter('The task set is DRAINING and cannot be updated.');
      const taskSet = { ...before.taskSet, scalePercent: value };
      const changed = value !== before.taskSet.scalePercent;
      const set = changed ? restabilizing(service, { ...before, taskSet }, clock.now()) : before;
      if (changed) await tx.services.put(withTaskSet(service, set));
      return answer(tx, realm, service, set);
    });
  },

  async DeleteTaskSet({ store, realm, clock }, { taskSet: reference, force = false, ...place }) {
    return store.write(async (tx) => {
      const service = await externalService(tx, realm, place);
      const before = requiredTaskSet(service, realm, reference);
      if (before.taskSet.draining) return answer(tx, realm, service, before);
      if (!force) checkDeletable(service, before);
      const set = restabilizing(service, { ...before, taskSet: { ...before.taskSet, draining: true } }, clock.now());
      await tx.services.put(withTaskSet(service, { ...set, status: 'ACTIVE' }));
      return answer(tx, realm, service, set);
    });
  },

  async DescribeTaskSets({ store, realm }, { cluster, service: reference, taskSets: references = [], include = [] }) {
    return store.read(async (tx) => {
      const clusterName = await readableClusterName(tx, realm, cluster);
      const service = await findService(tx, realm, { clusterName, reference });
      if (service === undefined) throw serviceNotFound();
      if (service.deploymentController !== 'EXTERNAL') throw taskSetsNeedExternalController();
      const taskSets: object[] = [];
      const failures: Failure[] = [];
      const wanted = references.length === 0 ? taskSetsOf(service).map(({ id }) => id) : new Set(references);
      for (const each of wanted) {
        const set = findTaskSet(service, realm, each);
        if (set !== undefined) taskSets.push(await rendered(tx, realm, service, set, include));
        else failures.push({ arn: arnOf(service, realm, each), reason: 'MISSING' });
      }
      return { taskSets, failures };
    });
  },

  async UpdateServicePrimaryTaskSet({ store, realm, clock }, { primaryTaskSet: reference, ...place }) {
    return store.write(async (tx) => {
      const service = await externalService(tx, realm, place);
      const chosen = requiredTaskSet(service, realm, reference);
      if (chosen.taskSet.draining) throw invalidParameter('A task set that is DRAINING cannot be the primary one.');
      if (chosen.status === 'PRIMARY') return answer(tx, realm, service, chosen);
      const now = clock.now();
      const deployments = service.deployments.map((set) => {
        if (set.id === chosen.id) return { ...set, status: 'PRIMARY' as const, updatedAt: now };
        return set.status === 'PRIMARY' ? { ...set, status: 'ACTIVE' as const, updatedAt: now } : set;
      });
      await tx.services.put({ ...service, deployments });
      return answer(tx, realm, service, { ...chosen, status: 'PRIMARY', updatedAt: now });
    });
  },
};

/** Throws what ECS answers for a service that is not there, not ACTIVE, or has another deployment controller. */
async function externalService(
  tx: StoreTransaction,
  realm: Realm,
  { cluster, service: reference }: { cluster?: string; service: string },
): Promise<Service> {
  const { clusterName } = await activeCluster(tx, realm, cluster);
  const service = await activeService(tx, realm, { clusterName, reference });
  if (service.deploymentController !== 'EXTERNAL') throw taskSetsNeedExternalController();
  return service;
}

async function newTaskSet(
  tx: StoreTransaction,
  { realm, clock, random }: HandlerContext,
  service: Service,
  input: InputOf<'CreateTaskSet'>,
): Promise<TaskSet> {
  const { loadBalancers = [], serviceRegistries = [], networkConfiguration, scale, externalId, tags = [] } = input;
  if (loadBalancers.length > 0) throw unsupportedFeature('Not supported yet: Load balancers (loadBalancers).');
  if (serviceRegistries.length > 0) {
    throw unsupportedFeature('Not supported yet: Service registries (serviceRegistries).');
  }
  const count = taskSetsOf(service).length;
  if (count >= maximumTaskSets) throw tooManyTaskSets(count);
  const definition = await definitionToRun(tx, realm, input.taskDefinition);
  const cluster = await activeCluster(tx, realm, input.cluster);
  const { capacityProviderStrategy, ...capacity } = chosenCapacity(realm, cluster, input);
  const launchType = chosenLaunchType(capacity, definition);
  checkNetwork(definition, networkConfiguration);
  checkPlatform(launchType, input.platformVersion);
  const now = clock.now();
  const target = {
    taskDefinitionArn: definition.taskDefinitionArn,
    launchType,
    ...(capacityProviderStrategy === undefined ? {} : { capacityProviderStrategy }),
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
  };
  const taskSet: TaskSet['taskSet'] = {
    scalePercent: scale?.value ?? 0,
    draining: false,
    ...(externalId === undefined ? {} : { externalId }),
    stabilityStatus: 'STABILIZING',
    stabilityStatusAt: now,
    kept: input.platformVersion === undefined ? {} : { platformVersion: input.platformVersion },
    tags,
  };
  const desiredCount = computedDesiredCount(service, { taskSet });
  return { ...newDeployment({ ...target, desiredCount }, { now, random }), status: 'ACTIVE', taskSet };
}

/** Without force neither what serves may go nor what still runs tasks. */
function checkDeletable(service: Service, set: TaskSet): void {
  if (set.status === 'PRIMARY') {
    throw invalidParameter('The primary task set cannot be deleted. Make another one primary first, or use force.');
  }
  if (computedDesiredCount(service, set) > 0) {
    throw invalidParameter('The task set cannot be deleted while it is scaled above 0. Scale it to 0, or use force.');
  }
}

/** The task set after a change of what it is to run: whether that is reached, the next look tells. */
function restabilizing(service: Service, set: TaskSet, now: number): TaskSet {
  const { stabilityStatus, stabilityStatusAt } = set.taskSet;
  const since = stabilityStatus === 'STABILIZING' ? stabilityStatusAt : now;
  return {
    ...set,
    desiredCount: computedDesiredCount(service, set),
    updatedAt: now,
    taskSet: { ...set.taskSet, stabilityStatus: 'STABILIZING', stabilityStatusAt: since },
  };
}

/** By id, by its digits or by ARN. */
function findTaskSet(service: Service, realm: Realm, reference: string): TaskSet | undefined {
  const arn = arnOf(service, realm, reference);
  return taskSetsOf(service).find(({ id }) => taskSetArn(realm, service.clusterName, service.serviceName, id) === arn);
}

function requiredTaskSet(service: Service, realm: Realm, reference: string): TaskSet {
  const set = findTaskSet(service, realm, reference);
  if (set === undefined) throw taskSetNotFound();
  return set;
}

function arnOf({ clusterName, serviceName }: Service, realm: Realm, reference: string): string {
  if (reference.startsWith('arn:')) return reference;
  const id = reference.startsWith('ecs-svc/') ? reference : `ecs-svc/${reference}`;
  return taskSetArn(realm, clusterName, serviceName, id);
}

async function answer(tx: StoreTransaction, realm: Realm, service: Service, set: TaskSet): Promise<object> {
  return { taskSet: await rendered(tx, realm, service, set, ['TAGS']) };
}

async function rendered(
  tx: StoreTransaction,
  realm: Realm,
  service: Service,
  set: TaskSet,
  include: readonly 'TAGS'[],
): Promise<object> {
  const { clusterName, serviceName } = service;
  const counts = await tx.tasks.counts({ clusterName, serviceName, startedBy: set.id, present: true });
  return renderTaskSet(set, { realm, service, counts, include });
}
