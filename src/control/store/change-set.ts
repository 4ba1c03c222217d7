/**
 * What a transaction changed, collected while it runs and announced once after it is committed. A transaction that is rolled back or
 * changed nothing announces nothing. Listeners run one after the other, in the order in which they came; one that throws is logged.
 */
import { parseArn, serviceArn } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Logger } from '#lib/logger.ts';
import type { ChangeSet } from './store.ts';

/** A change set that is still growing. Each attempt at a transaction starts with a fresh one. */
export interface ChangeRecorder {
  readonly changes: ChangeSet;
  cluster(clusterName: string): void;
  taskDefinition(taskDefinitionArn: string): void;
  containerInstance(instance: Pick<ContainerInstance, 'containerInstanceArn'>): void;
  assignmentLine(instance: Pick<ContainerInstance, 'containerInstanceArn'>): void;
  task(task: Task): void;
  deletedTask(taskArn: string): void;
  service(arn: string): void;
}

export function createChangeRecorder(): ChangeRecorder {
  const clusters = new Set<string>();
  const taskDefinitions = new Set<string>();
  const containerInstances = new Set<string>();
  const tasks = new Set<string>();
  const services = new Set<string>();
  const assignments = new Set<string>();
  const waiting = new Set<string>();
  return {
    changes: { clusters, taskDefinitions, containerInstances, tasks, services, assignments, waiting },
    cluster: (clusterName) => void clusters.add(clusterName),
    taskDefinition: (arn) => void taskDefinitions.add(arn),
    containerInstance({ containerInstanceArn }) {
      containerInstances.add(containerInstanceArn);
      assignments.add(containerInstanceArn);
    },
    assignmentLine: ({ containerInstanceArn }) => void assignments.add(containerInstanceArn),
    task(task) {
      tasks.add(task.taskArn);
      const service = serviceArnOf(task);
      if (service !== undefined) services.add(service);
      if (task.lastStatus === 'PROVISIONING') waiting.add(task.clusterName);
    },
    deletedTask: (taskArn) => void tasks.add(taskArn),
    service: (arn) => void services.add(arn),
  };
}

/** A service lives in the same partition, region and account as its tasks. */
function serviceArnOf({ taskArn, clusterName, serviceName }: Task): string | undefined {
  if (serviceName === undefined) return undefined;
  const realm = parseArn(taskArn);
  return realm === undefined ? undefined : serviceArn(realm, clusterName, serviceName);
}

export interface ChangeFeed {
  subscribe(listener: (changes: ChangeSet) => void): () => void;
  announce(changes: ChangeSet): void;
}

export function createChangeFeed(logger: Logger): ChangeFeed {
  /** Each subscription is an entry of its own, so that the same function may listen twice. */
  const subscriptions = new Set<{ readonly listener: (changes: ChangeSet) => void }>();
  return {
    subscribe(listener) {
      const subscription = { listener };
      subscriptions.add(subscription);
      return () => void subscriptions.delete(subscription);
    },
    announce(changes) {
      if (isEmpty(changes)) return;
      const current = [...subscriptions];
      for (const { listener } of current) {
        try {
          listener(changes);
        } catch (error) {
          logger.error({ error }, 'a listener to changes of the store failed');
        }
      }
    },
  };
}

function isEmpty(changes: ChangeSet): boolean {
  return Object.values(changes).every((keys: ReadonlySet<string>) => keys.size === 0);
}
