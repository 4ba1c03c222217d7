/** CreateService, UpdateService, DescribeServices, ListServices, DeleteService. What follows from a row is the reconciler's work. */
import { serviceArn } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import type { Failure } from '#model/placement.ts';
import type { Service } from '#model/service.ts';
import { taskSetsOf } from '#model/task-set.ts';
import {
  invalidParameter,
  serviceAlreadyExists,
  serviceHasTaskSets,
  serviceNotActive,
  serviceNotFound,
  serviceScaledAboveZero,
  unsupportedFeature,
} from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { renderService, type TaskCounts } from '#protocol/ecs/render-service.ts';
import { deploymentStartingFields, withNewDeployment } from '../deployments/new-deployment.ts';
import { saveService } from '../reconciler/save-service.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { canonicalJson, idempotently } from './idempotency.ts';
import { checkExternalService, externalService, updatedExternalService } from './external-services.ts';
import { chosenLaunchType, definitionToRun } from './launch-checks.ts';
import { activeCluster, activeService, findDefinition, findService, readableClusterName } from './lookups.ts';
import { paged } from './paging.ts';
import { checkPolicyTags } from './tags.ts';
import { capacityOfNewService, withCapacity, withCapacityUnderWay } from './service-capacity.ts';
import { checkServiceSettings, initialDeploymentConfiguration, withSettings } from './service-settings.ts';

const listPageSize = 10;

export const serviceHandlers: Handlers<
  'CreateService' | 'UpdateService' | 'DescribeServices' | 'ListServices' | 'DeleteService'
> = {
  async CreateService(context, input) {
    const { store, realm, clock } = context;
    const { clientToken, schedulingStrategy = 'REPLICA' } = input;
    checkServiceSettings(input, schedulingStrategy);
    checkPolicyTags('service', input.tags ?? []);
    const external = input.deploymentController?.type === 'EXTERNAL';
    if (external) checkExternalService(input);
    if (schedulingStrategy === 'REPLICA' && input.desiredCount === undefined && !external) {
      throw invalidParameter('desiredCount: is required for the scheduling strategy REPLICA');
    }
    return store.write(async (tx) => {
      const cluster = await activeCluster(tx, realm, input.cluster);
      const { clusterName } = cluster;
      const scope = `CreateService ${clusterName}`;
      return idempotently(
        tx,
        { scope, clientToken, input, now: clock.now() },
        {
          async perform() {
            const service = await create(tx, context, cluster, input);
            return { answer: await answer(tx, context, service), resources: [service.serviceArn] };
          },
          async replay([made = '']) {
            const service = await findService(tx, realm, { clusterName, reference: made });
            if (service === undefined) throw serviceNotFound();
            return answer(tx, context, service);
          },
        },
      );
    });
  },

  async UpdateService(context, input) {
    const { store, realm, clock } = context;
    return store.write(async (tx) => {
      const cluster = await activeCluster(tx, realm, input.cluster);
      const { clusterName } = cluster;
      const before = await activeService(tx, realm, { clusterName, reference: input.service });
      const service = await update(tx, context, { cluster, before }, input);
      if (canonicalJson(service) !== canonicalJson(before)) {
        await saveService(tx, { before, after: service, now: clock.now() });
      }
      return answer(tx, context, service);
    });
  },

  async DescribeServices(context, { cluster: reference, services: references, include = [] }) {
    const { store, realm } = context;
    return store.read(async (tx) => {
      const clusterName = await readableClusterName(tx, realm, reference);
      const services: object[] = [];
      const failures: Failure[] = [];
      for (const each of new Set(references)) {
        const service = await findService(tx, realm, { clusterName, reference: each });
        if (service !== undefined) {
          services.push(renderService(service, { realm, counts: await taskCounts(tx, service), include }));
        } else {
          const arn = each.startsWith('arn:') ? each : serviceArn(realm, clusterName, each);
          failures.push({ arn, reason: 'MISSING' });
        }
      }
      return { services, failures };
    });
  },

  async ListServices({ store, realm }, input) {
    const { launchType, schedulingStrategy, resourceManagementType } = input;
    return store.read(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, input.cluster);
      if (launchType === 'MANAGED_INSTANCES' || resourceManagementType === 'ECS') return { serviceArns: [] };
      const filter = {
        clusterName,
        statuses: ['ACTIVE', 'DRAINING'] as const,
        ...(launchType === undefined ? {} : { launchType }),
        ...(schedulingStrategy === undefined ? {} : { schedulingStrategy }),
      };
      const { items, token } = await paged(
        { maxResults: listPageSize, ...input },
        { operation: 'ListServices', ...filter },
        (page) => tx.services.list(filter, page),
      );
      return { serviceArns: items.map((service) => service.serviceArn), ...token };
    });
  },

  async DeleteService(context, { cluster: reference, service: serviceReference, force = false }) {
    const { store, realm, clock } = context;
    return store.write(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const service = await findService(tx, realm, { clusterName, reference: serviceReference });
      if (service === undefined) throw serviceNotFound();
      if (service.status === 'INACTIVE') throw serviceNotActive();
      if (service.status === 'DRAINING') return answer(tx, context, service);
      const scaledUp = service.schedulingStrategy === 'REPLICA' && service.desiredCount > 0;
      if (scaledUp && !force) throw serviceScaledAboveZero();
      if (taskSetsOf(service).length > 0 && !force) throw serviceHasTaskSets();
      const draining: Service = { ...withDesiredCount(service, 0), status: 'DRAINING' };
      await saveService(tx, { before: service, after: draining, now: clock.now() });
      return answer(tx, context, draining);
    });
  },
};

/** The new service, or the one that is there when it was asked for in the same way. */
async function create(
  tx: StoreTransaction,
  context: HandlerContext,
  cluster: Cluster,
  input: InputOf<'CreateService'>,
): Promise<Service> {
  const { clock, random } = context;
  const existing = await tx.services.get(cluster.clusterName, input.serviceName);
  if (existing?.status === 'DRAINING') throw invalidParameter('Unable to Start a service that is still Draining.');
  const wanted = await newService(tx, context, cluster, input);
  if (existing?.status === 'ACTIVE') {
    if (!sameSettings(existing, wanted)) throw serviceAlreadyExists();
    return existing;
  }
  const external = wanted.deploymentController === 'EXTERNAL';
  const service = external ? wanted : withNewDeployment(wanted, { now: clock.now(), random });
  await saveService(tx, { before: existing, after: service, now: clock.now() });
  return service;
}

async function newService(
  tx: StoreTransaction,
  context: HandlerContext,
  cluster: Cluster,
  input: InputOf<'CreateService'>,
): Promise<Service> {
  const { realm } = context;
  const blank = blankService(context, cluster.clusterName, input);
  if (input.deploymentController?.type === 'EXTERNAL') return externalService(blank, input);
  if (input.taskDefinition === undefined) throw invalidParameter('taskDefinition: is required');
  const definition = await definitionToRun(tx, realm, input.taskDefinition);
  const { capacityProviderStrategy, ...capacity } = capacityOfNewService(realm, cluster, input);
  const placed: Service = {
    ...blank,
    launchType: chosenLaunchType(capacity, definition),
    ...(capacityProviderStrategy === undefined ? {} : { capacityProviderStrategy }),
  };
  return withSettings(placed, input, definition);
}

/** An ECS-controlled service without settings, definition and deployments. */
function blankService(
  { realm, clock, principal }: HandlerContext,
  clusterName: string,
  { serviceName, schedulingStrategy = 'REPLICA', tags = [] }: InputOf<'CreateService'>,
): Service {
  return {
    serviceArn: serviceArn(realm, clusterName, serviceName),
    serviceName,
    clusterName,
    status: 'ACTIVE',
    schedulingStrategy,
    desiredCount: 0,
    taskDefinitionArn: '',
    launchType: 'EC2',
    deploymentController: 'ECS',
    deploymentConfiguration: initialDeploymentConfiguration(schedulingStrategy),
    deployments: [],
    events: [],
    placementConstraints: [],
    placementStrategy: [],
    enableExecuteCommand: false,
    enableECSManagedTags: false,
    propagateTags: 'NONE',
    availabilityZoneRebalancing: 'ENABLED',
    kept: {},
    createdAt: clock.now(),
    createdBy: principal.arn,
    tags,
  };
}

/** Whether two services promise the same: what ECS calls an idempotent creation. */
function sameSettings(a: Service, b: Service): boolean {
  return canonicalJson(promised(a)) === canonicalJson(promised(b));
}

/** The settings, without what time and the scheduler make of them. */
function promised(service: Service): object {
  const desiredCount = service.schedulingStrategy === 'DAEMON' ? 0 : service.desiredCount;
  return { ...service, desiredCount, deployments: [], events: [], rebalancing: undefined, createdAt: 0, createdBy: '' };
}

async function update(
  tx: StoreTransaction,
  { realm, clock, random }: HandlerContext,
  { cluster, before }: { cluster: Cluster; before: Service },
  input: InputOf<'UpdateService'>,
): Promise<Service> {
  const controller = input.deploymentController?.type ?? before.deploymentController;
  if (controller !== before.deploymentController) {
    throw unsupportedFeature('Changing the deployment controller of a service is not supported.');
  }
  if (controller === 'EXTERNAL') return updatedExternalService(before, input);
  checkServiceSettings(input, before.schedulingStrategy);
  const definition =
    input.taskDefinition === undefined
      ? await findDefinition(tx, realm, before.taskDefinitionArn)
      : await definitionToRun(tx, realm, input.taskDefinition);
  if (definition === undefined)
    throw invalidParameter(`The task definition ${before.taskDefinitionArn} does not exist any more.`);
  const based = withCapacity(realm, cluster, before, input);
  chosenLaunchType(based, definition);
  const now = clock.now();
  const after = withSettings(based, input, definition);
  if (input.forceNewDeployment === true || deploys(before, after)) return withNewDeployment(after, { now, random });
  const current = withCapacityUnderWay(after);
  return after.desiredCount === before.desiredCount ? current : withDesiredCount(current, after.desiredCount, now);
}

/** Whether anything changed that tasks are made from. */
function deploys(before: Service, after: Service): boolean {
  return canonicalJson(deployedParts(before)) !== canonicalJson(deployedParts(after));
}

function deployedParts({ taskDefinitionArn, networkConfiguration, kept }: Service): unknown[] {
  return [taskDefinitionArn, networkConfiguration, ...deploymentStartingFields.map((field) => kept[field])];
}

/** Scaling is no new deployment: the current one takes the new count. */
function withDesiredCount(service: Service, desiredCount: number, now?: number): Service {
  return {
    ...service,
    desiredCount,
    deployments: service.deployments.map((deployment) =>
      deployment.status === 'PRIMARY'
        ? { ...deployment, desiredCount, updatedAt: now ?? deployment.updatedAt }
        : deployment,
    ),
  };
}

async function answer(tx: StoreTransaction, { realm }: HandlerContext, service: Service): Promise<object> {
  return { service: renderService(service, { realm, counts: await taskCounts(tx, service), include: ['TAGS'] }) };
}

/** By deployment; what belongs to none that is left is counted under a name of its own, so that the totals are right. */
async function taskCounts(tx: StoreTransaction, service: Service): Promise<Map<string, TaskCounts>> {
  const { clusterName, serviceName } = service;
  const total = await tx.tasks.counts({ clusterName, serviceName, present: true });
  const counts = new Map<string, TaskCounts>();
  let { running, pending } = total;
  for (const { id } of service.deployments) {
    const ofDeployment = await tx.tasks.counts({ clusterName, serviceName, startedBy: id, present: true });
    counts.set(id, ofDeployment);
    running -= ofDeployment.running;
    pending -= ofDeployment.pending;
  }
  return counts.set('others', { running, pending });
}
