/**
 * The names of what a container instance can do, as ECS spells them. A task definition requires some of them (`requiredAttributes`), an
 * agent registers those it carries out, and placement lets a task only onto an instance that has all it requires. Names beginning with
 * `berth.` are ours: ECS requires no attribute there, but leaving the wish unheard would be worse than refusing it.
 */

export const capability = {
  appMesh: 'ecs.capability.aws-appmesh',
  appArmor: 'com.amazonaws.ecs.capability.apparmor',
  containerHealthCheck: 'ecs.capability.container-health-check',
  containerOrdering: 'ecs.capability.container-ordering',
  containerPortRange: 'ecs.capability.network.container-port-range',
  containerRestartPolicy: 'ecs.capability.container-restart-policy',
  disableNetworking: 'berth.capability.disable-networking',
  ebsTaskVolume: 'ecs.capability.storage.ebs-task-volume-attach',
  ecrAuth: 'com.amazonaws.ecs.capability.ecr-auth',
  efs: 'ecs.capability.efs',
  efsAuth: 'ecs.capability.efsAuth',
  environmentFilesS3: 'ecs.capability.env-files.s3',
  executeCommand: 'ecs.capability.execute-command',
  executionRoleAwslogs: 'ecs.capability.execution-role-awslogs',
  executionRoleEcrPull: 'ecs.capability.execution-role-ecr-pull',
  fargate: 'berth.capability.fargate',
  faultInjection: 'ecs.capability.fault-injection',
  fsxWindowsFileServer: 'ecs.capability.fsxWindowsFileServer',
  gmsa: 'ecs.capability.gmsa',
  gmsaDomainless: 'ecs.capability.gmsa-domainless',
  gpuSharing: 'berth.capability.gpu-sharing',
  increasedTaskCpuLimit: 'ecs.capability.increased-task-cpu-limit',
  neuronDevices: 'berth.capability.neuron-devices',
  prepull: 'berth.capability.prepull',
  pidIpcNamespaceSharing: 'ecs.capability.pid-ipc-namespace-sharing',
  privateRegistryAuthentication: 'ecs.capability.private-registry-authentication.secretsmanager',
  privilegedContainer: 'com.amazonaws.ecs.capability.privileged-container',
  s3Files: 'berth.capability.s3files',
  secretsAsmEnvironment: 'ecs.capability.secrets.asm.environment-variables',
  secretsAsmLogDriver: 'ecs.capability.secrets.asm.bootstrap.log-driver',
  secretsSsmEnvironment: 'ecs.capability.secrets.ssm.environment-variables',
  secretsSsmLogDriver: 'ecs.capability.secrets.ssm.bootstrap.log-driver',
  selfUpdate: 'berth.capability.self-update',
  selinux: 'com.amazonaws.ecs.capability.selinux',
  taskCpuMemoryLimit: 'ecs.capability.task-cpu-mem-limit',
  taskElasticInference: 'ecs.capability.task-eia',
  taskEni: 'ecs.capability.task-eni',
  taskIamRole: 'com.amazonaws.ecs.capability.task-iam-role',
  taskIamRoleNetworkHost: 'com.amazonaws.ecs.capability.task-iam-role-network-host',
} as const;

export function loggingDriverCapability(driver: string): string {
  return `com.amazonaws.ecs.capability.logging-driver.${driver}`;
}

/** Volumes of this volume driver of the engine; `local` is the engine's own. */
export function volumeDriverCapability(driver: string): string {
  return `ecs.capability.docker-plugin.${driver}`;
}

/** A file system of EFS for which this host's operator has named an NFS server. */
export function fileSystemCapability(fileSystemId: string): string {
  return `berth.efs.${fileSystemId}`;
}

export function firelensCapability(type: string): string {
  return `ecs.capability.firelens.${type}`;
}

export function firelensConfigCapability(configFileType: string): string {
  return `ecs.capability.firelens.options.config.${configFileType}`;
}

/** The engine API, by version, that a feature of a task definition came with. */
export function dockerRemoteApiCapability(version: DockerRemoteApiVersion): string {
  return `com.amazonaws.ecs.capability.docker-remote-api.${version}`;
}

export const dockerRemoteApiVersions = [
  '1.17',
  '1.18',
  '1.19',
  '1.20',
  '1.21',
  '1.22',
  '1.23',
  '1.24',
  '1.25',
  '1.26',
  '1.27',
  '1.28',
  '1.29',
  '1.30',
  '1.31',
  '1.32',
  '1.35',
  '1.44',
] as const;
export type DockerRemoteApiVersion = (typeof dockerRemoteApiVersions)[number];

/** Whether the agent of the instance registered it; attributes that users put there are no word of an agent. */
export function hasRegistered(
  { agentAttributes }: { readonly agentAttributes: readonly { readonly name: string }[] },
  wanted: (typeof capability)[keyof typeof capability],
): boolean {
  return agentAttributes.some(({ name }) => name === wanted);
}

/** What an engine offers whose newest API is `apiVersion` (`"1.41"`): that and everything older. */
export function dockerRemoteApiCapabilities(apiVersion: string): string[] {
  const newest = minorVersion(apiVersion);
  return dockerRemoteApiVersions.filter((version) => minorVersion(version) <= newest).map(dockerRemoteApiCapability);
}

/** Every version of the engine's API begins with `1.`. */
function minorVersion(version: string): number {
  return Number(version.split('.')[1] ?? '0');
}
