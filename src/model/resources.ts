/**
 * What a container instance offers and a task occupies: CPU units (1024 a core), memory (MiB), host ports and GPUs (whole devices, by id).
 * Pure arithmetic; a task's resources are free only when the task is known stopped (see docs/task-lifecycle.md).
 */

export type TransportProtocol = 'tcp' | 'udp';

export interface HostPort {
  port: number;
  protocol: TransportProtocol;
}

/** Amounts with the host ports already taken on the machine by others than us. */
export interface InstanceResources {
  cpu: number;
  memoryMiB: number;
  /** Ports that nothing may be placed on: reserved by configuration or taken at registration. */
  takenPorts: readonly HostPort[];
  gpuIds: readonly string[];
}

export interface TaskResources {
  cpu: number;
  memoryMiB: number;
  ports: readonly HostPort[];
  gpuCount: number;
}

export type ResourceShortage = 'RESOURCE:CPU' | 'RESOURCE:MEMORY' | 'RESOURCE:PORTS' | 'RESOURCE:GPU';

export function samePort(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol;
}

/** What is left of an instance when the given tasks occupy it. Amounts may go negative when an instance shrank at re-registration. */
export function remainingResources(
  total: InstanceResources,
  occupied: readonly { resources: TaskResources; gpuIds?: readonly string[] }[],
): InstanceResources {
  let { cpu, memoryMiB, takenPorts } = total;
  let usedGpus: Set<string> | undefined;
  for (const { resources, gpuIds } of occupied) {
    cpu -= resources.cpu;
    memoryMiB -= resources.memoryMiB;
    // Most tasks have neither, and this is asked of thousands of instances.
    if (resources.ports.length > 0) takenPorts = [...takenPorts, ...resources.ports];
    if (gpuIds !== undefined && gpuIds.length > 0) usedGpus = new Set([...(usedGpus ?? []), ...gpuIds]);
  }
  const used = usedGpus;
  return {
    cpu,
    memoryMiB,
    takenPorts,
    gpuIds: used === undefined ? total.gpuIds : total.gpuIds.filter((id) => !used.has(id)),
  };
}

/** Every reason why `wanted` does not fit, in ECS's order; an empty list means it fits. */
export function shortages(remaining: InstanceResources, wanted: TaskResources): ResourceShortage[] {
  const found: ResourceShortage[] = [];
  if (wanted.cpu > remaining.cpu) found.push('RESOURCE:CPU');
  if (wanted.memoryMiB > remaining.memoryMiB) found.push('RESOURCE:MEMORY');
  if (wanted.ports.some((port) => remaining.takenPorts.some((taken) => samePort(port, taken))))
    found.push('RESOURCE:PORTS');
  if (wanted.gpuCount > remaining.gpuIds.length) found.push('RESOURCE:GPU');
  return found;
}
