/**
 * The store's port: the only truth about what should run. All reads and writes happen inside a transaction; when `write` resolves, everything
 * put in it is durable and its changes have been announced to subscribers. `work` may be run again after a serialization failure, so it must have
 * no effects besides the transaction; what it reads is shared with other readers and must not be changed, nor what it has put; transactions do not nest: within `work` only `tx` may be used, another `read` or `write` would wait for
 * ever. No clock, no ids, no random in here: times and names are parameters.
 */
import type { CapacityProvider } from '#model/capacity-provider.ts';
import type { ClusterStatus, Cluster } from '#model/cluster.ts';
import type { ContainerInstance, ContainerInstanceStatus } from '#model/container-instance.ts';
import type { Activation, MachineCertificate } from '#model/machine-trust.ts';
import type { ServiceDeployment, ServiceDeploymentStatus, ServiceRevision } from '#model/service-deployment.ts';
import type { Service, ServiceStatus, SchedulingStrategy } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { DesiredStatus, Task } from '#model/task.ts';
import type { Claims } from '#model/claims.ts';
import type { TaskResources } from '#model/resources.ts';

/** `after` is the sort key of the last item of the page before; lists are ordered by that key. */
export interface PageRequest {
  after?: string;
  limit: number;
}

export interface Page<T> {
  items: T[];
  /** Present when more may follow. */
  next?: string;
}

export interface ClusterTable {
  get(clusterName: string): Promise<Cluster | undefined>;
  put(cluster: Cluster): Promise<void>;
  /** Ordered by name. */
  list(filter: { status?: ClusterStatus }, page: PageRequest): Promise<Page<Cluster>>;
}

/** Those that users made; FARGATE and FARGATE_SPOT are in no table. */
export interface CapacityProviderTable {
  get(name: string): Promise<CapacityProvider | undefined>;
  /** Those that exist, ordered by name. */
  getMany(names: readonly string[]): Promise<CapacityProvider[]>;
  put(provider: CapacityProvider): Promise<void>;
  delete(name: string): Promise<void>;
  /** Ordered by name. */
  list(page: PageRequest): Promise<Page<CapacityProvider>>;
}

export type TaskDefinitionStatus = TaskDefinition['status'];

export interface TaskDefinitionTable {
  get(family: string, revision: number): Promise<TaskDefinition | undefined>;
  latestActive(family: string): Promise<TaskDefinition | undefined>;
  /** The highest revision the family ever had; numbers are never used twice, not even after deletion. */
  lastRevision(family: string): Promise<number>;
  put(definition: TaskDefinition): Promise<void>;
  delete(family: string, revision: number): Promise<void>;
  /** Ordered by family (exact name when given), then revision as a number; `sort` as in ListTaskDefinitions. */
  list(
    filter: { family?: string; status: TaskDefinitionStatus; sort: 'ASC' | 'DESC' },
    page: PageRequest,
  ): Promise<Page<{ family: string; revision: number; taskDefinitionArn: string }>>;
  /** Families by real prefix, ordered by name. `ACTIVE`: at least one ACTIVE revision; `INACTIVE`: none. */
  families(
    filter: { prefix?: string; status: 'ACTIVE' | 'INACTIVE' | 'ALL' },
    page: PageRequest,
  ): Promise<Page<string>>;
}

export interface ContainerInstanceTable {
  get(containerInstanceArn: string): Promise<ContainerInstance | undefined>;
  /** The registration of a machine that is not INACTIVE, if any. */
  byMachine(clusterName: string, machineId: string): Promise<ContainerInstance | undefined>;
  put(instance: ContainerInstance): Promise<void>;
  /** No instance twice. */
  putMany(instances: readonly ContainerInstance[]): Promise<void>;
  /** Of instances that are as they were read in this transaction but for a higher `assignmentNumber`. No instance twice. */
  moveLines(instances: readonly ContainerInstance[]): Promise<void>;
  /** All instances of a cluster (INACTIVE ones only when asked for by status), ordered by ARN. */
  list(filter: { clusterName?: string; statuses?: readonly ContainerInstanceStatus[] }): Promise<ContainerInstance[]>;
  /** Those that are not INACTIVE, with what occupies them, ordered by ARN. As long as neither changes, an entry may be the very same value. */
  occupied(clusterName: string): Promise<OccupiedInstance[]>;
}

/** What placement looks at. */
export interface OccupiedInstance {
  readonly instance: ContainerInstance;
  readonly tasks: readonly OccupyingTask[];
  /** The tasks added up, where that is kept. */
  readonly claims?: Claims;
}

export interface TaskFilter {
  clusterName?: string;
  containerInstanceArn?: string;
  family?: string;
  serviceName?: string;
  startedBy?: string;
  launchType?: Task['launchType'];
  desiredStatus?: DesiredStatus;
  capacityProviderName?: string;
  /** Only tasks that wait for a place. */
  waiting?: boolean;
  /** Only tasks whose lastStatus is not STOPPED. */
  live?: boolean;
  /** Only tasks that are not lost. */
  present?: boolean;
}

/** The part of a live (not STOPPED) task that placement looks at. */
export interface OccupyingTask {
  taskArn: string;
  containerInstanceArn: string;
  group: string;
  serviceName?: string;
  family: string;
  startedBy?: string;
  desiredStatus: DesiredStatus;
  lastStatus: Task['lastStatus'];
  resources: TaskResources;
  gpuIds: readonly string[];
  /** When its service gave it up: it is not counted where tasks are spread. */
  lostAt?: number;
}

export interface TaskTable {
  get(taskArn: string): Promise<Task | undefined>;
  getMany(taskArns: readonly string[]): Promise<Task[]>;
  put(task: Task): Promise<void>;
  putMany(tasks: readonly Task[]): Promise<void>;
  delete(taskArns: readonly string[]): Promise<void>;
  /** Ordered by ARN. */
  list(filter: TaskFilter, page: PageRequest): Promise<Page<Task>>;
  /** Everything that matches, ordered by ARN, for decisions over a whole service or instance; callers bound the filter. */
  all(filter: TaskFilter): Promise<Task[]>;
  occupying(clusterName: string): Promise<OccupyingTask[]>;
  /** Live tasks of an instance, and stopped ones too when control changed them after `afterNumber`. */
  assignedTo(containerInstanceArn: string, afterNumber?: number): Promise<Task[]>;
  /** Counts of live tasks by what DescribeClusters, DescribeContainerInstances and DescribeServices show. */
  counts(filter: TaskFilter): Promise<{ running: number; pending: number }>;
  /** STOPPED tasks whose stoppedAt lies before the time, oldest first. */
  stoppedBefore(time: number, limit: number): Promise<string[]>;
  /** Whether any task that is not STOPPED, or any service that is not INACTIVE, still uses the definition. */
  definitionInUse(taskDefinitionArn: string): Promise<boolean>;
}

export interface ServiceTable {
  get(clusterName: string, serviceName: string): Promise<Service | undefined>;
  put(service: Service): Promise<void>;
  delete(clusterName: string, serviceName: string): Promise<void>;
  /** Ordered by ARN. */
  list(
    filter: {
      clusterName?: string;
      statuses?: readonly ServiceStatus[];
      launchType?: Service['launchType'];
      schedulingStrategy?: SchedulingStrategy;
    },
    page: PageRequest,
  ): Promise<Page<Service>>;
}

/** Epoch milliseconds; both ends excluded. */
export interface ServiceDeploymentFilter {
  serviceArn: string;
  statuses?: readonly ServiceDeploymentStatus[];
  createdAfter?: number;
  createdBefore?: number;
}

export interface ServiceDeploymentTable {
  get(serviceDeploymentArn: string): Promise<ServiceDeployment | undefined>;
  put(deployment: ServiceDeployment): Promise<void>;
  /** Newest first. */
  list(filter: ServiceDeploymentFilter, page: PageRequest): Promise<Page<ServiceDeployment>>;
  /** ARNs of services. */
  servicesWithMoreThan(count: number): Promise<string[]>;
  delete(serviceDeploymentArns: readonly string[]): Promise<void>;
  deleteOfService(serviceArn: string): Promise<void>;
}

export interface ServiceRevisionTable {
  get(serviceRevisionArn: string): Promise<ServiceRevision | undefined>;
  put(revision: ServiceRevision): Promise<void>;
  /** Of a service, newest first. */
  all(serviceArn: string): Promise<ServiceRevision[]>;
  delete(serviceRevisionArns: readonly string[]): Promise<void>;
  deleteOfService(serviceArn: string): Promise<void>;
}

/** What an idempotent request answered, so that its repetition answers the same and does nothing. */
export interface IdempotencyRecord {
  /** Operation and scope, e.g. `RunTask default`. */
  scope: string;
  clientToken: string;
  /** Hash of the request without the token: the same token with another request is a ConflictException. */
  requestHash: string;
  /** What it made: ARNs. */
  resources: readonly string[];
  createdAt: number;
  expiresAt: number;
}

export interface IdempotencyTable {
  get(scope: string, clientToken: string): Promise<IdempotencyRecord | undefined>;
  put(record: IdempotencyRecord): Promise<void>;
  deleteExpired(now: number): Promise<number>;
}

export interface AccountSetting {
  /** `*` for the account's default, else the principal's ARN. */
  principalArn: string;
  name: string;
  value: string;
}

export interface AccountSettingTable {
  list(): Promise<AccountSetting[]>;
  put(setting: AccountSetting): Promise<void>;
  delete(principalArn: string, name: string): Promise<void>;
}

export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
  principalArn: string;
  createdAt: number;
}

export interface AccessKeyTable {
  get(accessKeyId: string): Promise<AccessKey | undefined>;
  put(key: AccessKey): Promise<void>;
  list(): Promise<AccessKey[]>;
}

export interface ActivationTable {
  get(activationId: string): Promise<Activation | undefined>;
  put(activation: Activation): Promise<void>;
  delete(activationId: string): Promise<void>;
  /** Those whose `expiresAt` is not after the time. */
  deleteExpired(before: number): Promise<number>;
  /** Ordered by id. */
  list(page: PageRequest): Promise<Page<Activation>>;
}

/** Lists are ordered by `notAfter`, then serial; they may hold revoked ones. */
export interface MachineCertificateTable {
  get(serial: string): Promise<MachineCertificate | undefined>;
  ofMachine(machineId: string): Promise<MachineCertificate[]>;
  /** Those whose `notAfter` is after the time. */
  endingAfter(time: number): Promise<MachineCertificate[]>;
  put(certificate: MachineCertificate): Promise<void>;
  /** Those whose `notAfter` is not after the time. */
  deleteExpired(before: number): Promise<number>;
}

export interface StoreTransaction {
  readonly clusters: ClusterTable;
  readonly capacityProviders: CapacityProviderTable;
  readonly taskDefinitions: TaskDefinitionTable;
  readonly containerInstances: ContainerInstanceTable;
  readonly tasks: TaskTable;
  readonly services: ServiceTable;
  readonly serviceDeployments: ServiceDeploymentTable;
  readonly serviceRevisions: ServiceRevisionTable;
  readonly idempotency: IdempotencyTable;
  readonly accountSettings: AccountSettingTable;
  readonly accessKeys: AccessKeyTable;
  readonly activations: ActivationTable;
  readonly machineCertificates: MachineCertificateTable;
}

/** Keys of what a committed transaction put or deleted. Subscribers take it as a hint, never as the truth. */
export interface ChangeSet {
  clusters: ReadonlySet<string>;
  taskDefinitions: ReadonlySet<string>;
  /** Not those whose lines alone were moved. */
  containerInstances: ReadonlySet<string>;
  tasks: ReadonlySet<string>;
  /** Service ARNs: put services and the services of put tasks. */
  services: ReadonlySet<string>;
  /** Instances whose line of assignments may have grown: those that were put, and those whose lines alone were moved. What agents report of tasks is none. */
  assignments: ReadonlySet<string>;
  /** Names of clusters in which a put task waits for a place. */
  waiting: ReadonlySet<string>;
}

export interface Store {
  read<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  write<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  /** Called after each commit that changed something. Returns the way to stop listening. A listener must not throw. */
  subscribe(listener: (changes: ChangeSet) => void): () => void;
  /** Rejects when the database cannot be reached; for /readyz. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
