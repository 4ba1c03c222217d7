/** One host of a fleet, and what may be done to it: see docs/hosts.md. Every fault has its way back, and each may be repeated. */
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import { freeze } from '#cli/dev/hosts/groups.ts';
import { powerOff, powerOn, shutDown, type HostOptions } from '#cli/dev/hosts/host.ts';
import { setCable } from '#cli/dev/hosts/lan.ts';
import { agentsIn, findHosts } from '#cli/dev/hosts/processes.ts';
import { run } from '#cli/dev/hosts/run.ts';
import { systemClock } from '#lib/clock.ts';
import { ensureTestImage } from '../test-images.ts';

export interface RunningContainer {
  host: string;
  id: string;
  taskArn: string;
  startedAt: number | undefined;
}

export interface FleetHost {
  readonly name: string;
  readonly address: string;
  readonly engine: DockerEngine;
  /** All its processes are killed at once; what it was told before is still on its disk. */
  powerOff(): Promise<void>;
  /** Resolves when its engine answers; its agent starts at the same time. */
  powerOn(): Promise<void>;
  /** In order, and on again. */
  reboot(): Promise<void>;
  /** The cable, at the LAN's end: the host's own interface stays up. */
  unplug(): Promise<void>;
  plugIn(): Promise<void>;
  /** The host's own interface. */
  setInterface(state: 'up' | 'down'): Promise<void>;
  /** `deaf`: nothing arrives at it; `mute`: nothing leaves it. The other way goes on. */
  oneWay(which: 'deaf' | 'mute' | 'neither'): Promise<void>;
  /** At most so many bits a second leave it; undefined: as many as there are. */
  slow(bitsPerSecond: number | undefined): Promise<void>;
  /** So much of what comes in is lost, 0 to 1. */
  lossy(share: number): Promise<void>;
  /** Everything in it stands still, its containers too. */
  freeze(isFrozen: boolean): Promise<void>;
  /** kill -9; it is started again after a second, as by systemd. */
  killAgent(): Promise<void>;
  /** Of tasks, by task. */
  running(): Promise<RunningContainer[]>;
  close(): void;
}

export function createFleetHost(options: HostOptions): FleetHost {
  const { place, host } = options;
  const engine = createDockerEngine({ dockerHost: `unix://${host.socket}`, clock: systemClock });

  async function first(): Promise<number> {
    const [pid] = (await findHosts(place.program)).get(host.folder)?.inside ?? [];
    if (pid === undefined) throw new Error(`${host.name} is off`);
    return pid;
  }
  async function inHost(...command: string[]): Promise<void> {
    await run('nsenter', [`--net=/proc/${await first()}/ns/net`, ...command]);
  }
  async function powerOnWithImage(): Promise<void> {
    await powerOn(options);
    await ensureTestImage(engine);
  }

  return {
    name: host.name,
    address: host.address,
    engine,
    powerOff: () => powerOff(options),
    powerOn: powerOnWithImage,
    async reboot() {
      await shutDown(options);
      await powerOnWithImage();
    },
    unplug: () => setCable(place, host.name, false),
    plugIn: () => setCable(place, host.name, true),
    setInterface: (state) => inHost('ip', 'link', 'set', 'eth0', state),
    async oneWay(which) {
      await inHost('iptables', '-t', 'raw', '-F');
      if (which === 'deaf') await inHost('iptables', '-t', 'raw', '-A', 'PREROUTING', '-i', 'eth0', '-j', 'DROP');
      if (which === 'mute') await inHost('iptables', '-t', 'raw', '-A', 'OUTPUT', '-o', 'eth0', '-j', 'DROP');
    },
    async slow(bitsPerSecond) {
      const rate = bitsPerSecond === undefined ? '10gbit' : `${bitsPerSecond}bit`;
      const bucket = ['rate', rate, 'burst', '16kb', 'latency', '400ms'];
      await inHost('tc', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', ...bucket);
    },
    async lossy(share) {
      await inHost('iptables', '-t', 'mangle', '-F', 'PREROUTING');
      if (share === 0) return;
      const chance = ['-m', 'statistic', '--mode', 'random', '--probability', String(share)];
      await inHost('iptables', '-t', 'mangle', '-A', 'PREROUTING', '-i', 'eth0', ...chance, '-j', 'DROP');
    },
    freeze: (isFrozen) => freeze(host.group, isFrozen),
    async killAgent() {
      for (const pid of await agentsIn(await first(), place.program)) process.kill(pid, 'SIGKILL');
    },
    async running() {
      const listed = await engine.list({});
      const observed = await Promise.all(listed.map(({ id }) => engine.inspect(id)));
      return observed.flatMap((container) =>
        container?.state === 'running' && container.labels[machineLabel] !== undefined
          ? [
              {
                host: host.name,
                id: container.id,
                taskArn: container.labels[taskArnLabel] ?? '',
                startedAt: container.startedAt,
              },
            ]
          : [],
      );
    },
    close: () => engine.close(),
  };
}
