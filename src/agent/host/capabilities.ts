/**
 * What this agent registers that it can do: the attributes that task definitions require. Only what is really carried out on this
 * engine; whatever is missing here is refused at placement instead of being ignored at run time. Pure.
 */
import type { Attribute } from '#model/attributes.ts';
import {
  capability,
  dockerRemoteApiCapabilities,
  fileSystemCapability,
  loggingDriverCapability,
  volumeDriverCapability,
} from '#model/capabilities.ts';
import type { EngineDescription } from '../engine/container-engine.ts';

/** What the agent does itself, whatever the engine. */
const ownCapabilities: readonly string[] = [
  capability.containerHealthCheck,
  capability.containerOrdering,
  capability.containerPortRange,
  capability.containerRestartPolicy,
  capability.disableNetworking,
  capability.executeCommand,
  capability.increasedTaskCpuLimit,
  capability.pidIpcNamespaceSharing,
  capability.prepull,
];

/** Of an agent that gives tasks networks of their own; FARGATE asks for nothing else of a machine but room. */
const taskNetworkCapabilities: readonly string[] = [capability.taskEni, capability.fargate];

/** Drivers that need nothing of the agent but their options; the others want credentials or a router of ours. */
const plainLogDrivers: readonly string[] = ['fluentd', 'gelf', 'journald', 'json-file', 'local', 'syslog'];

export interface CapabilityFacts {
  engine: EngineDescription;
  /** Whether tasks can have networks of their own here. */
  taskNetwork: boolean;
  /** Whether tasks can be limited as a whole here. */
  taskCgroups: boolean;
  /** Whether the operator has credentials for secrets that `repositoryCredentials` names. */
  registrySecrets: boolean;
  /** File systems of EFS that this machine has a server for. */
  fileSystems: readonly string[];
}

export function capabilities(facts: CapabilityFacts): Attribute[] {
  const { engine, taskNetwork, taskCgroups, registrySecrets, fileSystems } = facts;
  const names = [
    ...ownCapabilities,
    ...dockerRemoteApiCapabilities(engine.apiVersion),
    loggingDriverCapability('none'),
  ];
  if (fileSystems.length > 0) names.push(capability.efs, ...fileSystems.map(fileSystemCapability));
  if (registrySecrets) names.push(capability.privateRegistryAuthentication);
  if (taskCgroups) names.push(capability.taskCpuMemoryLimit);
  for (const driver of engine.logDrivers) {
    if (plainLogDrivers.includes(driver)) names.push(loggingDriverCapability(driver));
  }
  for (const driver of engine.volumeDrivers) names.push(volumeDriverCapability(driver));
  if (engine.securityOptions.includes('apparmor')) names.push(capability.appArmor);
  if (engine.securityOptions.includes('selinux')) names.push(capability.selinux);
  if (!engine.securityOptions.includes('rootless')) {
    names.push(capability.privilegedContainer);
    // A rootless engine's addresses are its own: nothing else on the machine reaches them.
    if (taskNetwork) names.push(...taskNetworkCapabilities);
  }
  return names.toSorted().map((name) => ({ name }));
}
