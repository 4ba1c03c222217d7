/** Our words to the engine's: a ContainerSpec as the body of a create request. Pure. */
import type Docker from 'dockerode';
import type { ContainerSpec, HealthCheckSpec, IpcNamespace, Mount, NetworkChoice } from '../tasks/container-spec.ts';

export type CreateBody = Omit<Docker.ContainerCreateOptions, 'name' | 'platform' | 'abortSignal'>;

const nanosecondsPerMillisecond = 1_000_000;

export function createBody(spec: ContainerSpec): CreateBody {
  return {
    Image: spec.image,
    Env: [...spec.environment],
    Labels: { ...spec.labels },
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    Healthcheck: healthcheck(spec.healthCheck),
    HostConfig: hostConfig(spec),
    ...(spec.entryPoint !== undefined && { Entrypoint: [...spec.entryPoint] }),
    ...(spec.command !== undefined && { Cmd: [...spec.command] }),
    ...(spec.workingDirectory !== undefined && { WorkingDir: spec.workingDirectory }),
    ...(spec.user !== undefined && { User: spec.user }),
    ...(spec.hostname !== undefined && { Hostname: spec.hostname }),
    ...(spec.network === 'bridge' && { ExposedPorts: exposedPorts(spec) }),
  };
}

function hostConfig(spec: ContainerSpec): Docker.HostConfig {
  return {
    NetworkMode: modeOf(spec.network),
    // The agent alone decides what runs again.
    RestartPolicy: { Name: 'no' },
    CpuShares: spec.cpuShares,
    ...(spec.cgroupParent !== undefined && { CgroupParent: spec.cgroupParent }),
    Privileged: spec.privileged,
    ReadonlyRootfs: spec.readonlyRootFilesystem,
    CapAdd: [...spec.capAdd],
    CapDrop: [...spec.capDrop],
    Dns: [...spec.dnsServers],
    DnsSearch: [...spec.dnsSearchDomains],
    ExtraHosts: [...spec.extraHosts],
    SecurityOpt: [...spec.securityOptions],
    Ulimits: spec.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    Sysctls: { ...spec.sysctls },
    Links: [...spec.links],
    VolumesFrom: [...spec.volumesFrom],
    Devices: (spec.devices ?? []).map(({ hostPath, containerPath, permissions }) => ({
      PathOnHost: hostPath,
      PathInContainer: containerPath,
      CgroupPermissions: permissions,
    })),
    ...(spec.gpuIds !== undefined && {
      DeviceRequests: [{ Driver: 'nvidia', DeviceIDs: [...spec.gpuIds], Capabilities: [['gpu']] }],
    }),
    ...mounts(spec.mounts),
    ...(spec.pid !== undefined && { PidMode: modeOf(spec.pid) }),
    ...(spec.ipc !== undefined && { IpcMode: modeOf(spec.ipc) }),
    ...(spec.network === 'bridge' && { PortBindings: portBindings(spec) }),
    ...(spec.memoryBytes !== undefined && { Memory: spec.memoryBytes }),
    ...(spec.memoryReservationBytes !== undefined && { MemoryReservation: spec.memoryReservationBytes }),
    ...(spec.memorySwapBytes !== undefined && { MemorySwap: spec.memorySwapBytes }),
    ...(spec.memorySwappiness !== undefined && { MemorySwappiness: spec.memorySwappiness }),
    ...(spec.sharedMemoryBytes !== undefined && { ShmSize: spec.sharedMemoryBytes }),
    // Absent, not false: the engine's operator may have made an init process the default.
    ...(spec.init && { Init: true }),
    ...(spec.logDriver !== undefined && { LogConfig: { Type: spec.logDriver, Config: { ...spec.logOptions } } }),
  };
}

/** One word, or `container:<name>`. */
function modeOf(choice: NetworkChoice | IpcNamespace): string {
  if (typeof choice === 'string') return choice;
  return 'container' in choice ? `container:${choice.container}` : choice.network;
}

function healthcheck(check: HealthCheckSpec | 'none'): Docker.HealthConfig {
  if (check === 'none') return { Test: ['NONE'] };
  return {
    Test: [...check.test],
    Interval: check.intervalMs * nanosecondsPerMillisecond,
    Timeout: check.timeoutMs * nanosecondsPerMillisecond,
    Retries: check.retries,
    StartPeriod: check.startPeriodMs * nanosecondsPerMillisecond,
  };
}

function exposedPorts(spec: ContainerSpec): Record<string, object> {
  return Object.fromEntries(spec.ports.map((port) => [`${port.containerPort}/${port.protocol}`, {}]));
}

function portBindings(spec: ContainerSpec): Docker.PortMap {
  const bindings: Docker.PortMap = {};
  for (const { containerPort, protocol, hostPort } of spec.ports) {
    const bound = (bindings[`${containerPort}/${protocol}`] ??= []);
    bound.push({ HostPort: hostPort === 0 ? '' : String(hostPort) });
  }
  return bindings;
}

/**
 * `Binds` where it can say it, because only there the engine makes a host folder that is missing, as ECS promises. A colon in a path
 * and a volume without a name need `Mounts`.
 */
function mounts(all: readonly Mount[]): Pick<Docker.HostConfig, 'Binds' | 'Mounts' | 'Tmpfs'> {
  const binds: string[] = [];
  const others: Docker.MountSettings[] = [];
  const tmpfs: Record<string, string> = {};
  for (const mount of all) {
    if (mount.kind === 'tmpfs') tmpfs[mount.target] = tmpfsOptions(mount);
    else if (mount.source !== undefined && !`${mount.source}${mount.target}`.includes(':')) {
      binds.push(`${mount.source}:${mount.target}${mount.readOnly ? ':ro' : ''}`);
    } else {
      others.push({ Type: mount.kind, Source: mount.source ?? '', Target: mount.target, ReadOnly: mount.readOnly });
    }
  }
  return { Binds: binds, Mounts: others, Tmpfs: tmpfs };
}

function tmpfsOptions(mount: Mount): string {
  const options = [...(mount.tmpfsOptions ?? [])];
  if (mount.tmpfsSizeBytes !== undefined) options.push(`size=${mount.tmpfsSizeBytes}`);
  if (mount.readOnly) options.push('ro');
  return options.join(',');
}
