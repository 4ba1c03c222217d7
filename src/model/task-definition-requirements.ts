/**
 * What a task definition needs of the host that runs it: the attributes ECS computes at registration, and the launch types it fits.
 * Whatever a definition asks for that not every agent carries out must appear here, because a wish without an attribute would be placed
 * anywhere and go unheard.
 */
import type { Attribute } from './attributes.ts';
import {
  capability,
  dockerRemoteApiCapability,
  fileSystemCapability,
  type DockerRemoteApiVersion,
  firelensCapability,
  firelensConfigCapability,
  loggingDriverCapability,
  volumeDriverCapability,
} from './capabilities.ts';
import type { ContainerDefinition, LogConfiguration, LogDriver, Secret } from './container-definition.ts';
import { fargateObstacles } from './fargate.ts';
import { type Compatibility, parseTaskCpu, type TaskDefinitionBody, type Volume } from './task-definition.ts';

/** What a task asks of its instance: what its definition requires, and what it was launched with. */
export function attributesToRun(
  { requiresAttributes }: { requiresAttributes: readonly Attribute[] },
  { enableExecuteCommand }: { enableExecuteCommand: boolean },
): readonly Attribute[] {
  return enableExecuteCommand ? [...requiresAttributes, { name: capability.executeCommand }] : requiresAttributes;
}

/** `requiresAttributes` of a definition: each name once, in order. */
export function requiredAttributes(body: TaskDefinitionBody): Attribute[] {
  const names = new Set(taskCapabilities(body));
  for (const volume of body.volumes ?? []) for (const name of volumeCapabilities(volume)) names.add(name);
  for (const container of body.containerDefinitions) {
    for (const name of containerCapabilities(container, body)) names.add(name);
  }
  return [...[...names].toSorted().map((name) => ({ name })), ...platformAttributes(body)];
}

/** The launch types a valid definition can run as; those it was registered for are among them when validation let it pass. */
export function compatibilities(body: TaskDefinitionBody): Compatibility[] {
  const found: Compatibility[] = ['EC2'];
  if (fitsExternal(body)) found.push('EXTERNAL');
  if (fargateObstacles(body).length === 0) found.push('FARGATE');
  if (body.requiresCompatibilities?.includes('MANAGED_INSTANCES') === true) found.push('MANAGED_INSTANCES');
  return found;
}

/** Machines outside the provider's network have no task network interfaces, mesh, accelerators or attached file systems. */
function fitsExternal(body: TaskDefinitionBody): boolean {
  return (
    body.networkMode !== 'awsvpc' &&
    body.proxyConfiguration === undefined &&
    (body.inferenceAccelerators ?? []).length === 0 &&
    (body.volumes ?? []).every(
      (volume) =>
        volume.efsVolumeConfiguration === undefined &&
        volume.fsxWindowsFileServerVolumeConfiguration === undefined &&
        volume.s3filesVolumeConfiguration === undefined &&
        volume.configuredAtLaunch !== true,
    )
  );
}

/** ECS allows more than this only to agents that say they can do it. */
const usualMaximumTaskCpu = 10 * 1024;

function* taskCapabilities(body: TaskDefinitionBody): Generator<string> {
  if (body.networkMode === 'awsvpc') {
    yield capability.taskEni;
    yield dockerRemoteApiCapability('1.18');
  }
  if (body.taskRoleArn !== undefined && body.taskRoleArn !== '') {
    yield body.networkMode === 'host' ? capability.taskIamRoleNetworkHost : capability.taskIamRole;
    yield dockerRemoteApiCapability('1.17');
  }
  if (body.pidMode !== undefined || body.ipcMode !== undefined) yield capability.pidIpcNamespaceSharing;
  if (body.proxyConfiguration !== undefined) yield capability.appMesh;
  if ((body.inferenceAccelerators ?? []).length > 0) yield capability.taskElasticInference;
  if (body.enableFaultInjection === true) yield capability.faultInjection;
  if (body.cpu !== undefined || body.memory !== undefined) yield capability.taskCpuMemoryLimit;
  const cpu = body.cpu === undefined ? undefined : parseTaskCpu(body.cpu);
  if (cpu !== undefined && cpu > usualMaximumTaskCpu) yield capability.increasedTaskCpuLimit;
}

function* volumeCapabilities(volume: Volume): Generator<string> {
  if (volume.dockerVolumeConfiguration !== undefined) {
    yield volumeDriverCapability(volume.dockerVolumeConfiguration.driver ?? 'local');
    yield dockerRemoteApiCapability('1.25');
  }
  const efs = volume.efsVolumeConfiguration;
  if (efs !== undefined) {
    yield capability.efs;
    yield fileSystemCapability(efs.fileSystemId);
    if (efs.authorizationConfig !== undefined || efs.transitEncryption === 'ENABLED') yield capability.efsAuth;
  }
  if (volume.fsxWindowsFileServerVolumeConfiguration !== undefined) yield capability.fsxWindowsFileServer;
  if (volume.s3filesVolumeConfiguration !== undefined) yield capability.s3Files;
  if (volume.configuredAtLaunch === true) yield capability.ebsTaskVolume;
}

function* containerCapabilities(container: ContainerDefinition, body: TaskDefinitionBody): Generator<string> {
  yield* imageCapabilities(container, body);
  if (container.logConfiguration !== undefined) yield* loggingCapabilities(container.logConfiguration, body);
  for (const secret of container.secrets ?? []) {
    yield isSecretsManagerSecret(secret) ? capability.secretsAsmEnvironment : capability.secretsSsmEnvironment;
  }
  if ((container.environmentFiles ?? []).length > 0) yield capability.environmentFilesS3;
  if (container.healthCheck !== undefined) {
    yield capability.containerHealthCheck;
    yield dockerRemoteApiCapability(container.healthCheck.startPeriod === undefined ? '1.24' : '1.29');
  }
  if ((container.dependsOn ?? []).length > 0) yield capability.containerOrdering;
  if (container.restartPolicy?.enabled === true) yield capability.containerRestartPolicy;
  if (container.disableNetworking === true) yield capability.disableNetworking;
  if ((container.portMappings ?? []).some((mapping) => mapping.containerPortRange !== undefined)) {
    yield capability.containerPortRange;
  }
  yield* isolationCapabilities(container);
  yield* deviceCapabilities(container);
  const firelens = container.firelensConfiguration;
  if (firelens !== undefined) {
    yield firelensCapability(firelens.type);
    const configFileType = firelens.options?.['config-file-type'];
    if (configFileType !== undefined) yield firelensConfigCapability(configFileType);
  }
}

/** `<account>.dkr.ecr.<region>.amazonaws.com/…` and the same of other partitions. */
const ecrImage = /^\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)\//;

function* imageCapabilities(container: ContainerDefinition, body: TaskDefinitionBody): Generator<string> {
  if (container.repositoryCredentials !== undefined) yield capability.privateRegistryAuthentication;
  if (!ecrImage.test(container.image)) return;
  yield capability.ecrAuth;
  yield dockerRemoteApiCapability('1.19');
  if (body.executionRoleArn !== undefined) yield capability.executionRoleEcrPull;
}

/** The engine API that each log driver came with. FireLens is not the engine's. */
const logDriverApi: Record<LogDriver, DockerRemoteApiVersion | undefined> = {
  awsfirelens: undefined,
  awslogs: '1.19',
  fluentd: '1.20',
  gelf: '1.20',
  journald: '1.19',
  'json-file': '1.18',
  splunk: '1.22',
  syslog: '1.18',
};

function* loggingCapabilities(logging: LogConfiguration, body: TaskDefinitionBody): Generator<string> {
  yield loggingDriverCapability(logging.logDriver);
  const version = logDriverApi[logging.logDriver];
  if (version !== undefined) yield dockerRemoteApiCapability(version);
  if (logging.logDriver === 'awslogs' && body.executionRoleArn !== undefined) yield capability.executionRoleAwslogs;
  for (const secret of logging.secretOptions ?? []) {
    yield isSecretsManagerSecret(secret) ? capability.secretsAsmLogDriver : capability.secretsSsmLogDriver;
  }
}

function isSecretsManagerSecret(secret: Secret): boolean {
  return /^arn:[^:]+:secretsmanager:/.test(secret.valueFrom);
}

function* isolationCapabilities(container: ContainerDefinition): Generator<string> {
  if (container.privileged === true) yield capability.privilegedContainer;
  for (const option of container.dockerSecurityOptions ?? []) {
    if (/^label[:=]/.test(option)) yield capability.selinux;
    if (/^apparmor[:=]/.test(option)) yield capability.appArmor;
  }
  const specifications = (container.dockerSecurityOptions ?? []).filter((option) => /^credentialspec/i.test(option));
  for (const specification of [...(container.credentialSpecs ?? []), ...specifications]) {
    yield /^credentialspecdomainless:/i.test(specification) ? capability.gmsaDomainless : capability.gmsa;
  }
}

function* deviceCapabilities(container: ContainerDefinition): Generator<string> {
  const linux = container.linuxParameters;
  if (linux?.initProcessEnabled === true) yield dockerRemoteApiCapability('1.25');
  if (linux?.sharedMemorySize !== undefined || (linux?.tmpfs ?? []).length > 0) yield dockerRemoteApiCapability('1.22');
  for (const requirement of container.resourceRequirements ?? []) {
    if (requirement.sharingStrategy !== undefined) yield capability.gpuSharing;
    if (requirement.type === 'NeuronDevice') yield capability.neuronDevices;
    if (requirement.type === 'InferenceAccelerator') yield capability.taskElasticInference;
  }
}

/** A definition that names its platform runs only there; the values are those agents register. */
function platformAttributes(body: TaskDefinitionBody): Attribute[] {
  const found: Attribute[] = [];
  const platform = body.runtimePlatform;
  if (platform?.cpuArchitecture !== undefined) {
    found.push({ name: 'ecs.cpu-architecture', value: platform.cpuArchitecture.toLowerCase() });
  }
  if (platform?.operatingSystemFamily !== undefined) {
    const linux = platform.operatingSystemFamily === 'LINUX';
    found.push({ name: 'ecs.os-type', value: linux ? 'linux' : 'windows' });
  }
  return found;
}
