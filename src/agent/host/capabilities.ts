/**
 * What this agent registers that it can do: the attributes that task definitions require. Only what is really carried out on this
 * engine; whatever is missing here is refused at placement instead of being ignored at run time. Pure.
 */
import type { Attribute } from '#model/attributes.ts';
import {
  capability,
  dockerRemoteApiCapabilities,
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
  capability.increasedTaskCpuLimit,
];

/** Drivers that need nothing of the agent but their options; the others want credentials or a router of ours. */
const plainLogDrivers: readonly string[] = ['fluentd', 'gelf', 'journald', 'json-file', 'local', 'syslog'];

export function capabilities(engine: EngineDescription): Attribute[] {
  const names = [
    ...ownCapabilities,
    ...dockerRemoteApiCapabilities(engine.apiVersion),
    loggingDriverCapability('none'),
  ];
  for (const driver of engine.logDrivers) {
    if (plainLogDrivers.includes(driver)) names.push(loggingDriverCapability(driver));
  }
  for (const driver of engine.volumeDrivers) names.push(volumeDriverCapability(driver));
  if (engine.securityOptions.includes('apparmor')) names.push(capability.appArmor);
  if (engine.securityOptions.includes('selinux')) names.push(capability.selinux);
  if (!engine.securityOptions.includes('rootless')) names.push(capability.privilegedContainer);
  return names.toSorted().map((name) => ({ name }));
}
