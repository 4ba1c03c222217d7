/** The engine's words to ours: what an inspection says about a container. Pure. */
import type Docker from 'dockerode';
import { parseIsoTime } from '#lib/iso-time.ts';
import type { HealthStatus, NetworkBinding } from '#model/task.ts';
import type { ContainerObservation, NetworkAddress } from '../tasks/container-spec.ts';

type Inspection = Docker.ContainerInspectInfo;

const states: Readonly<Record<string, ContainerObservation['state']>> = {
  created: 'created',
  running: 'running',
  exited: 'exited',
  dead: 'dead',
  paused: 'paused',
  restarting: 'restarting',
  removing: 'removing',
};

const health: Readonly<Record<string, HealthStatus>> = { healthy: 'HEALTHY', unhealthy: 'UNHEALTHY' };

/** The wildcard address of IPv6, under which engines repeat each IPv4 binding. */
const anyIpv6 = '::';

export function observationOf(inspection: Inspection): ContainerObservation {
  const { State: state, Config: config } = inspection;
  const known = states[state.Status] ?? (state.Running ? 'running' : 'exited');
  const startedAt = momentOf(state.StartedAt);
  // What is being removed no longer runs, but may never have run.
  const ended = known === 'exited' || known === 'dead' || (known === 'removing' && startedAt !== undefined);
  const finishedAt = ended ? endOf(momentOf(state.FinishedAt), startedAt) : undefined;
  const failedToStart = known === 'created' && state.Error !== '';
  const addresses = addressesOf(inspection.NetworkSettings.Networks ?? {});
  const mountedAt = (inspection.Mounts ?? []).map(({ Name, Source, Destination }) => ({
    ...(Name !== undefined && { volume: Name }),
    source: Source,
    target: Destination,
  }));
  const lastHealthCheck = state.Health?.Log?.at(-1);
  return {
    id: inspection.Id,
    name: inspection.Name.replace(/^\//, ''),
    labels: config.Labels ?? {},
    state: known,
    oomKilled: state.OOMKilled,
    createdAt: momentOf(inspection.Created) ?? 0,
    health: health[state.Health?.Status ?? ''] ?? 'UNKNOWN',
    imageId: inspection.Image,
    networkBindings: networkBindings(inspection.NetworkSettings.Ports ?? {}),
    ...((ended || failedToStart) && { exitCode: state.ExitCode }),
    ...(known === 'running' && state.Pid > 0 && { pid: state.Pid }),
    ...(state.Error !== '' && { error: state.Error }),
    ...(startedAt !== undefined && { startedAt }),
    ...(finishedAt !== undefined && { finishedAt }),
    ...(addresses.length > 0 && { addresses }),
    ...(mountedAt.length > 0 && { mountedAt }),
    ...(lastHealthCheck !== undefined && {
      lastHealthCheck: { exitCode: lastHealthCheck.ExitCode, output: lastHealthCheck.Output },
    }),
  };
}

/** The engine writes empty texts for a network that gives no address. */
function addressesOf(networks: Inspection['NetworkSettings']['Networks']): NetworkAddress[] {
  return Object.entries(networks).flatMap(([network, { IPAddress, IPPrefixLen, Gateway, MacAddress }]) =>
    IPAddress === ''
      ? []
      : {
          network,
          ipv4Address: IPAddress,
          prefixLength: IPPrefixLen,
          macAddress: MacAddress,
          ...(Gateway !== '' && { gateway: Gateway }),
        },
  );
}

/** The engine notes the start of a container that ends at once a little later than its end. */
function endOf(finishedAt: number | undefined, startedAt: number | undefined): number | undefined {
  return finishedAt === undefined ? undefined : Math.max(finishedAt, startedAt ?? 0);
}

/** The engine writes the year 1 for never. */
function momentOf(text: string): number | undefined {
  const at = parseIsoTime(text);
  return at === undefined || at <= 0 ? undefined : at;
}

/** In the order of the container's ports. The engine says null for a port that is exposed but not bound. */
function networkBindings(
  ports: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[] | null>>,
): NetworkBinding[] {
  const found: (NetworkBinding & { containerPort: number; hostPort: number })[] = [];
  for (const [exposed, bound] of Object.entries(ports)) {
    const [port = '', protocol] = exposed.split('/');
    const isDoubled = (bound ?? []).some(({ HostIp }) => HostIp !== anyIpv6);
    for (const { HostIp, HostPort } of bound ?? []) {
      if (isDoubled && HostIp === anyIpv6) continue;
      found.push({
        bindIP: HostIp === '' ? '0.0.0.0' : HostIp,
        containerPort: Number(port),
        hostPort: Number(HostPort),
        protocol: protocol === 'udp' ? 'udp' : 'tcp',
      });
    }
  }
  return found.toSorted((a, b) => a.containerPort - b.containerPort || a.hostPort - b.hostPort);
}
