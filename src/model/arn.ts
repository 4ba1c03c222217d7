/**
 * Amazon Resource Names in ECS's long format. Everything that names a resource from outside (a bare name, a short id or an ARN)
 * is resolved here, so that the rest of the code only ever sees whole ARNs.
 */

/** Where this installation pretends to be; part of every ARN it hands out. */
export interface Realm {
  partition: string;
  region: string;
  accountId: string;
}

export const defaultRealm: Realm = { partition: 'aws', region: 'us-east-1', accountId: '000000000000' };

export const defaultClusterName = 'default';

export interface Arn {
  partition: string;
  service: string;
  region: string;
  accountId: string;
  /** Everything behind the fifth colon, e.g. `task/default/0123…`. */
  resource: string;
}

export function parseArn(text: string): Arn | undefined {
  const match = /^arn:([^:]+):([^:]+):([^:]*):([^:]*):(.+)$/.exec(text);
  if (match === null) return undefined;
  const [, partition = '', service = '', region = '', accountId = '', resource = ''] = match;
  return { partition, service, region, accountId, resource };
}

function ecsArn(realm: Realm, resource: string): string {
  return `arn:${realm.partition}:ecs:${realm.region}:${realm.accountId}:${resource}`;
}

export function clusterArn(realm: Realm, cluster: string): string {
  return ecsArn(realm, `cluster/${cluster}`);
}

export function serviceArn(realm: Realm, cluster: string, service: string): string {
  return ecsArn(realm, `service/${cluster}/${service}`);
}

/** `id` is `ecs-svc/<digits>`. */
export function taskSetArn(realm: Realm, cluster: string, service: string, id: string): string {
  return ecsArn(realm, `task-set/${cluster}/${service}/${id}`);
}

/** `id` is 32 lower-case hexadecimal digits. */
export function taskArn(realm: Realm, cluster: string, id: string): string {
  return ecsArn(realm, `task/${cluster}/${id}`);
}

export function containerArn(realm: Realm, cluster: string, taskId: string, uuid: string): string {
  return ecsArn(realm, `container/${cluster}/${taskId}/${uuid}`);
}

export function containerInstanceArn(realm: Realm, cluster: string, id: string): string {
  return ecsArn(realm, `container-instance/${cluster}/${id}`);
}

export function taskDefinitionArn(realm: Realm, family: string, revision: number): string {
  return ecsArn(realm, `task-definition/${family}:${revision}`);
}

export function capacityProviderArn(realm: Realm, name: string): string {
  return ecsArn(realm, `capacity-provider/${name}`);
}

/** The last path segment: a task's id, an instance's id, a cluster's or a service's name. */
export function arnId(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/** The cluster's name out of a cluster ARN or a bare name; absent means `default`, as in every ECS request. */
export function clusterNameOf(nameOrArn: string | undefined): string {
  if (nameOrArn === undefined || nameOrArn === '') return defaultClusterName;
  return nameOrArn.startsWith('arn:') ? arnId(nameOrArn) : nameOrArn;
}

/** Cluster name inside a task, service, instance or container ARN: the second path segment of the long format. */
export function clusterNameInArn(arn: string): string | undefined {
  const segments = parseArn(arn)?.resource.split('/');
  return segments !== undefined && segments.length >= 3 ? segments[1] : undefined;
}
