/** RunTask, StartTask, StopTask, DescribeTasks, ListTasks. */
import { withOverriddenNeeds } from '#model/overridden-needs.ts';
import { maximumWaitingTasks, taggedWait, waitForCapacityTag } from '#model/placement-wait.ts';
import type { Failure } from '#model/placement.ts';
import type { Tag } from '#model/tag.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { Task } from '#model/task.ts';
import {
  invalidParameter,
  provisioningLimitExceeded,
  serviceNotFound,
  taskNotFound,
  unsupportedFeature,
} from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { renderTask } from '#protocol/ecs/render-task.ts';
import { launchTasks } from '../reconciler/launch.ts';
import { requestStop } from '../reconciler/stop.ts';
import type { StoreTransaction, TaskFilter } from '../store/store.ts';
import { chosenCapacity } from './capacity-checks.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { idempotently } from './idempotency.ts';
import {
  checkNetwork,
  checkOverrides,
  checkPlacement,
  checkPlatform,
  chosenLaunchType,
  definitionToRun,
} from './launch-checks.ts';
import {
  activeCluster,
  findService,
  instanceArnIn,
  readableClusterName,
  requiredInstance,
  taskArnIn,
} from './lookups.ts';
import { paged } from './paging.ts';

export const taskHandlers: Handlers<'RunTask' | 'StartTask' | 'StopTask' | 'DescribeTasks' | 'ListTasks'> = {
  async RunTask(context, input) {
    const { store, realm, clock } = context;
    const { clientToken, count = 1, placementConstraints = [], placementStrategy = [] } = input;
    return store.write(async (tx) => {
      const cluster = await activeCluster(tx, realm, input.cluster);
      const scope = `RunTask ${cluster.clusterName}`;
      return idempotently(
        tx,
        { scope, clientToken, input, now: clock.now() },
        {
          async perform() {
            const definition = await definitionToRun(tx, realm, input.taskDefinition);
            const capacity = chosenCapacity(realm, cluster, input);
            const launchType = chosenLaunchType(capacity, definition);
            checkPlatform(launchType, input.platformVersion);
            checkPlacement(placementConstraints, placementStrategy);
            const fields = launchFields(input, definition, cluster.clusterName);
            const { tasks, failures, noInstances } = await launchTasks(tx, context, {
              ...fields,
              cluster,
              count,
              launchType,
              capacityProviderStrategy: capacity.capacityProviderStrategy,
              wait: { forMs: askedWait(fields.tags) },
              placementConstraints,
              placementStrategy,
            });
            if (noInstances) throw invalidParameter('No Container Instances were found in your cluster.');
            await boundWaiting(tx, cluster.clusterName, tasks);
            return { answer: launched(context, tasks, failures), resources: tasks.map((task) => task.taskArn) };
          },
          replay: async (taskArns) => launched(context, await tx.tasks.getMany(taskArns), []),
        },
      );
    });
  },

  async StartTask(context, input) {
    const { store, realm } = context;
    return store.write(async (tx) => {
      const cluster = await activeCluster(tx, realm, input.cluster);
      const definition = await definitionToRun(tx, realm, input.taskDefinition);
      const arns = input.containerInstances.map((each) => instanceArnIn(realm, cluster.clusterName, each));
      const containerInstanceArns = [...new Set(arns)];
      const { tasks, failures } = await launchTasks(tx, context, {
        ...launchFields(input, definition, cluster.clusterName),
        cluster,
        count: containerInstanceArns.length,
        launchType: 'EC2',
        placementConstraints: [],
        placementStrategy: [],
        containerInstanceArns,
      });
      return launched(context, tasks, failures);
    });
  },

  async StopTask(context, { cluster: reference, task: taskReference, reason = 'Task stopped by user' }) {
    const { store, realm } = context;
    return store.write(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const arn = taskArnIn(realm, clusterName, taskReference);
      const task = await tx.tasks.get(arn);
      if (task === undefined || task.clusterName !== clusterName) throw taskNotFound();
      const stopping = await requestStop(tx, context, task, { stopCode: 'UserInitiated', reason });
      return { task: renderTask(stopping, { realm, include: ['TAGS'] }) };
    });
  },

  async DescribeTasks({ store, realm }, { cluster: reference, tasks: references, include = [] }) {
    return store.read(async (tx) => {
      const clusterName = await readableClusterName(tx, realm, reference);
      const arns = [...new Set(references.map((each) => taskArnIn(realm, clusterName, each)))];
      const found = await tx.tasks.getMany(arns);
      const byArn = new Map(
        found.filter((task) => task.clusterName === clusterName).map((task) => [task.taskArn, task]),
      );
      const missing = arns.filter((arn) => !byArn.has(arn));
      return {
        tasks: arns.flatMap((arn) => byArn.get(arn) ?? []).map((task) => renderTask(task, { realm, include })),
        failures: missing.map((arn): Failure => ({ arn, reason: 'MISSING' })),
      };
    });
  },

  async ListTasks({ store, realm }, input) {
    return store.read(async (tx) => {
      const filter = await taskFilter(tx, realm, input);
      if (filter === undefined) return { taskArns: [] };
      const { items, token } = await paged(input, { operation: 'ListTasks', ...filter }, (page) =>
        tx.tasks.list(filter, page),
      );
      return { taskArns: items.map((task) => task.taskArn), ...token };
    });
  },
};

type LaunchInput = InputOf<'RunTask'> | InputOf<'StartTask'>;

/** What the two ways to start tasks have in common, checked. */
function launchFields(input: LaunchInput, definition: TaskDefinition, clusterName: string) {
  const {
    overrides = {},
    networkConfiguration,
    startedBy,
    enableExecuteCommand = false,
    volumeConfigurations = [],
  } = input;
  const group = input.group ?? `family:${definition.family}`;
  if (group.startsWith('service:')) throw invalidParameter('Invalid namespace for group.');
  checkNetwork(definition, networkConfiguration);
  checkOverrides(definition, overrides);
  if (volumeConfigurations.length > 0) throw unsupportedFeature('Volumes configured at launch are not supported yet.');
  return {
    definition: withOverriddenNeeds(definition, overrides),
    group,
    ...(startedBy === undefined ? {} : { startedBy }),
    overrides,
    tags: taskTags(input, definition, clusterName),
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    enableExecuteCommand,
  };
}

/** The request's own tags win over the definition's; the managed one is ECS's and wins over both. */
function taskTags(input: LaunchInput, definition: TaskDefinition, clusterName: string): Tag[] {
  if (input.propagateTags === 'SERVICE') {
    throw invalidParameter('propagateTags: SERVICE is only valid for tasks of a service.');
  }
  const propagated = input.propagateTags === 'TASK_DEFINITION' ? definition.tags : [];
  const managed = input.enableECSManagedTags === true ? [{ key: 'aws:ecs:clusterName', value: clusterName }] : [];
  const byKey = new Map([...propagated, ...(input.tags ?? []), ...managed].map((tag) => [tag.key, tag]));
  return [...byKey.values()];
}

/** Milliseconds, as the tag says; undefined without it. */
function askedWait(tags: readonly Tag[]): number | undefined {
  const wait = taggedWait(tags);
  if (wait !== 'invalid') return wait;
  throw invalidParameter(
    `tags: the value of ${waitForCapacityTag} must be a duration up to 7d, such as 90s, 10m or 2h.`,
  );
}

/** Throws ClientException, so that the request leaves nothing behind, when it would make too many tasks wait. */
async function boundWaiting(tx: StoreTransaction, clusterName: string, launched: readonly Task[]): Promise<void> {
  if (!launched.some((task) => task.lastStatus === 'PROVISIONING')) return;
  const { pending } = await tx.tasks.counts({ clusterName, waiting: true });
  if (pending > maximumWaitingTasks) throw provisioningLimitExceeded(maximumWaitingTasks);
}

function launched({ realm }: HandlerContext, tasks: readonly Task[], failures: readonly Failure[]): object {
  return { tasks: tasks.map((task) => renderTask(task, { realm, include: ['TAGS'] })), failures };
}

/** Undefined when nothing can match: no task is ever desired to be PENDING, and none has the launch type of a machine we do not have. */
async function taskFilter(
  tx: StoreTransaction,
  realm: HandlerContext['realm'],
  input: InputOf<'ListTasks'>,
): Promise<TaskFilter | undefined> {
  const {
    containerInstance,
    family,
    startedBy,
    serviceName,
    desiredStatus = 'RUNNING',
    launchType,
    daemonName,
  } = input;
  const { clusterName } = await activeCluster(tx, realm, input.cluster);
  if (daemonName !== undefined) throw unsupportedFeature('Daemons are not supported yet.');
  const instance =
    containerInstance === undefined
      ? undefined
      : await requiredInstance(tx, realm, { clusterName, reference: containerInstance });
  const service =
    serviceName === undefined ? undefined : await findService(tx, realm, { clusterName, reference: serviceName });
  if (serviceName !== undefined && service === undefined) throw serviceNotFound();
  if (desiredStatus === 'PENDING' || launchType === 'MANAGED_INSTANCES') return undefined;
  return {
    clusterName,
    desiredStatus,
    ...(instance === undefined ? {} : { containerInstanceArn: instance.containerInstanceArn }),
    ...(service === undefined ? {} : { serviceName: service.serviceName }),
    ...(family === undefined ? {} : { family }),
    ...(startedBy === undefined ? {} : { startedBy }),
    ...(launchType === undefined ? {} : { launchType }),
  };
}
