/**
 * The operations of ECS: those that are served with the schema of their input, and those that ECS has and this service has not,
 * so that a caller learns the difference between a missing feature and a misspelt name.
 */
import type { z } from 'zod';
import * as accountSettings from './account-settings.ts';
import * as attributes from './attributes.ts';
import * as capacityProviders from './capacity-providers.ts';
import * as clusters from './clusters.ts';
import * as containerInstances from './container-instances.ts';
import { executeCommand } from './execute-command.ts';
import * as serviceDeployments from './service-deployments.ts';
import * as services from './services.ts';
import * as tags from './tags.ts';
import * as taskDefinitions from './task-definitions.ts';
import * as taskSets from './task-sets.ts';
import * as tasks from './tasks.ts';

/** `X-Amz-Target` is this, a full stop and the operation's name. */
export const targetPrefix = 'AmazonEC2ContainerServiceV20141113';

export const operations = {
  CreateCluster: clusters.createCluster,
  DescribeClusters: clusters.describeClusters,
  ListClusters: clusters.listClusters,
  UpdateCluster: clusters.updateCluster,
  UpdateClusterSettings: clusters.updateClusterSettings,
  DeleteCluster: clusters.deleteCluster,
  CreateCapacityProvider: capacityProviders.createCapacityProvider,
  DescribeCapacityProviders: capacityProviders.describeCapacityProviders,
  UpdateCapacityProvider: capacityProviders.updateCapacityProvider,
  DeleteCapacityProvider: capacityProviders.deleteCapacityProvider,
  PutClusterCapacityProviders: clusters.putClusterCapacityProviders,
  RegisterTaskDefinition: taskDefinitions.registerTaskDefinition,
  DescribeTaskDefinition: taskDefinitions.describeTaskDefinition,
  ListTaskDefinitions: taskDefinitions.listTaskDefinitions,
  ListTaskDefinitionFamilies: taskDefinitions.listTaskDefinitionFamilies,
  DeregisterTaskDefinition: taskDefinitions.deregisterTaskDefinition,
  DeleteTaskDefinitions: taskDefinitions.deleteTaskDefinitions,
  RunTask: tasks.runTask,
  StartTask: tasks.startTask,
  StopTask: tasks.stopTask,
  DescribeTasks: tasks.describeTasks,
  ListTasks: tasks.listTasks,
  UpdateTaskProtection: tasks.updateTaskProtection,
  GetTaskProtection: tasks.getTaskProtection,
  ExecuteCommand: executeCommand,
  CreateService: services.createService,
  UpdateService: services.updateService,
  DescribeServices: services.describeServices,
  ListServices: services.listServices,
  DeleteService: services.deleteService,
  CreateTaskSet: taskSets.createTaskSet,
  UpdateTaskSet: taskSets.updateTaskSet,
  DeleteTaskSet: taskSets.deleteTaskSet,
  DescribeTaskSets: taskSets.describeTaskSets,
  UpdateServicePrimaryTaskSet: taskSets.updateServicePrimaryTaskSet,
  ListServiceDeployments: serviceDeployments.listServiceDeployments,
  DescribeServiceDeployments: serviceDeployments.describeServiceDeployments,
  DescribeServiceRevisions: serviceDeployments.describeServiceRevisions,
  StopServiceDeployment: serviceDeployments.stopServiceDeployment,
  ContinueServiceDeployment: serviceDeployments.continueServiceDeployment,
  ListContainerInstances: containerInstances.listContainerInstances,
  DescribeContainerInstances: containerInstances.describeContainerInstances,
  UpdateContainerAgent: containerInstances.updateContainerAgent,
  UpdateContainerInstancesState: containerInstances.updateContainerInstancesState,
  DeregisterContainerInstance: containerInstances.deregisterContainerInstance,
  PutAttributes: attributes.putAttributes,
  DeleteAttributes: attributes.deleteAttributes,
  ListAttributes: attributes.listAttributes,
  TagResource: tags.tagResource,
  UntagResource: tags.untagResource,
  ListTagsForResource: tags.listTagsForResource,
  PutAccountSetting: accountSettings.putAccountSetting,
  PutAccountSettingDefault: accountSettings.putAccountSettingDefault,
  DeleteAccountSetting: accountSettings.deleteAccountSetting,
  ListAccountSettings: accountSettings.listAccountSettings,
} as const satisfies Record<string, z.ZodType>;

export type OperationName = keyof typeof operations;

/** A request as a handler sees it: parsed, nulls gone, no unknown field. */
export type InputOf<Name extends OperationName> = z.output<(typeof operations)[Name]>;

export const operationNames = Object.keys(operations).filter(isOperationName);

export const unsupportedOperationNames = [
  'AssociateGatewayWithCluster',
  'CreateDaemon',
  'CreateExpressGatewayService',
  'CreateGateway',
  'DeleteDaemon',
  'DeleteDaemonTaskDefinition',
  'DeleteExpressGatewayService',
  'DeleteGateway',
  'DescribeDaemon',
  'DescribeDaemonDeployments',
  'DescribeDaemonRevisions',
  'DescribeDaemonTaskDefinition',
  'DescribeExpressGatewayService',
  'DescribeGateway',
  'DescribeGatewayResources',
  'DescribeGatewayRoute',
  'DisassociateGatewayFromCluster',
  'DiscoverPollEndpoint',
  'ListDaemonDeployments',
  'ListDaemonTaskDefinitions',
  'ListDaemons',
  'ListGatewayClusterAssociations',
  'ListGatewayRoutes',
  'ListGateways',
  'ListServicesByNamespace',
  'RegisterContainerInstance',
  'RegisterDaemonTaskDefinition',
  'SubmitAttachmentStateChanges',
  'SubmitContainerStateChange',
  'SubmitTaskStateChange',
  'UpdateDaemon',
  'UpdateExpressGatewayService',
  'UpdateGateway',
] as const;

export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}

export function isUnsupportedOperationName(name: string): boolean {
  return unsupportedOperationNames.some((known) => known === name);
}
