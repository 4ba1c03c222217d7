/**
 * The tables as they are after the last migration, for SQLite and PostgreSQL alike. Nouns are kept whole as JSON text in `document`; the other
 * columns repeat those of its fields that are looked up, sorted or counted, and are written together with it. Times are epoch milliseconds.
 */
import type { ClusterStatus } from '#model/cluster.ts';
import type { ContainerInstanceStatus } from '#model/container-instance.ts';
import type { ServiceDeploymentStatus } from '#model/service-deployment.ts';
import type { SchedulingStrategy, Service, ServiceStatus } from '#model/service.ts';
import type { TaskDefinitionStatus } from '#model/task-definition.ts';
import type { DesiredStatus, Task, TaskStatus } from '#model/task.ts';

export interface ClusterRow {
  cluster_name: string;
  status: ClusterStatus;
  document: string;
}

export interface CapacityProviderRow {
  name: string;
  document: string;
}

export interface TaskDefinitionRow {
  family: string;
  revision: number;
  task_definition_arn: string;
  status: TaskDefinitionStatus;
  document: string;
}

/** Outlives the revisions of the family, so that no number is given twice. */
export interface TaskDefinitionFamilyRow {
  family: string;
  last_revision: number;
}

export interface ContainerInstanceRow {
  container_instance_arn: string;
  cluster_name: string;
  machine_id: string;
  status: ContainerInstanceStatus;
  document: string;
}

/** Of an instance whose line has moved since its document was written: this number counts, not the document's. */
export interface AssignmentLineRow {
  container_instance_arn: string;
  assignment_number: number;
}

export interface TaskRow {
  task_arn: string;
  cluster_name: string;
  container_instance_arn: string | null;
  task_definition_arn: string;
  family: string;
  service_name: string | null;
  /** The task's `group`; that word is taken in SQL. */
  task_group: string;
  started_by: string | null;
  launch_type: Task['launchType'];
  desired_status: DesiredStatus;
  last_status: TaskStatus;
  stopped_at: number | null;
  lost_at: number | null;
  assignment_number: number;
  /** JSON of the task's `resources` and `gpuIds`: placement reads thousands of them and nothing else of the document. */
  resources: string;
  gpu_ids: string;
  document: string;
  capacity_provider: string | null;
}

export interface ServiceRow {
  cluster_name: string;
  service_name: string;
  service_arn: string;
  status: ServiceStatus;
  launch_type: Service['launchType'];
  scheduling_strategy: SchedulingStrategy;
  /** JSON list of the definitions of the service and of its deployments. */
  task_definition_arns: string;
  document: string;
}

export interface ServiceDeploymentRow {
  service_deployment_arn: string;
  service_arn: string;
  status: ServiceDeploymentStatus;
  created_at: number;
  document: string;
}

export interface ServiceRevisionRow {
  service_revision_arn: string;
  service_arn: string;
  created_at: number;
  document: string;
}

export interface IdempotencyRow {
  scope: string;
  client_token: string;
  request_hash: string;
  /** JSON list. */
  resources: string;
  created_at: number;
  expires_at: number;
}

export interface AccountSettingRow {
  principal_arn: string;
  name: string;
  value: string;
}

export interface AccessKeyRow {
  access_key_id: string;
  secret_access_key: string;
  principal_arn: string;
  created_at: number;
}

export interface ActivationRow {
  activation_id: string;
  expires_at: number;
  document: string;
}

export interface MachineCertificateRow {
  serial: string;
  machine_id: string;
  not_after: number;
  document: string;
}

export interface Database {
  clusters: ClusterRow;
  capacity_providers: CapacityProviderRow;
  task_definitions: TaskDefinitionRow;
  task_definition_families: TaskDefinitionFamilyRow;
  container_instances: ContainerInstanceRow;
  assignment_lines: AssignmentLineRow;
  tasks: TaskRow;
  services: ServiceRow;
  service_deployments: ServiceDeploymentRow;
  service_revisions: ServiceRevisionRow;
  idempotency: IdempotencyRow;
  account_settings: AccountSettingRow;
  access_keys: AccessKeyRow;
  activations: ActivationRow;
  machine_certificates: MachineCertificateRow;
}
