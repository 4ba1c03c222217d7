/**
 * Control and several real hosts on one machine: each host has a container engine and an agent of its own, on a LAN that control is plugged into as well.
 * The hosts are those of `berth dev up --hosts N` (src/cli/dev/hosts/). Needs root. Invariant: `close` leaves no process, mount, link, control group or
 * file, and fails when something was left; a test that is killed takes its hosts with it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ListContainerInstancesCommand } from '@aws-sdk/client-ecs';
import { daemonCommand } from '#cli/dev/daemon.ts';
import { createLan, machinePort, setCable } from '#cli/dev/hosts/lan.ts';
import { hostPlace, hostsListen, loopbackOf, placeIn } from '#cli/dev/hosts/place.ts';
import { sweep } from '#cli/dev/hosts/sweep.ts';
import { systemClock } from '#lib/clock.ts';
import { daemonEnvironment } from '#lib/small-process.ts';
import { buildProgram, createCell, type Cell, type Daemon } from '../processes.ts';
import { eventually, readingOf, type CellReading } from '../real-cell.ts';
import { joinMachines } from '../join-machines.ts';
import { createFleetHost, type FleetHost, type RunningContainer } from './host.ts';
import { leftoversOf } from './leftovers.ts';

const root = resolve(import.meta.dirname, '../../..');
const port = 4566;

/** Of each instance: the name of its host. */
export const hostAttribute = 'host';

export interface FleetOptions {
  hosts: number;
  control?: NodeJS.ProcessEnv;
  agent?: NodeJS.ProcessEnv;
}

export interface Fleet extends Cell, CellReading {
  readonly folder: string;
  readonly hosts: readonly FleetHost[];
  control: Daemon;
  /** Of all hosts that are on. */
  running(): Promise<RunningContainer[]>;
  connectedAgents(): Promise<number>;
  /** The cable of control's machine, at the LAN's end. */
  setControlCable(isPlugged: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Resolves when all its agents are connected. */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  await buildProgram();
  const folder = await mkdtemp(join(tmpdir(), 'berth-fleet-'));
  const place = placeIn(join(folder, 'hosts'), root);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  undo.defer(() => sweep(place, systemClock));
  const range = await createLan(place);
  const cell = createCell({
    folder,
    // Beside the machine's own clusters.
    address: loopbackOf(range),
    port,
    dockerHost: '',
    control: { BERTH_HEALTHY_AFTER: '1', BERTH_TLS_LISTEN: hostsListen(range), ...options.control },
  });
  const control = cell.startControl();
  undo.defer(async () => void (await fleet.control.stop()));
  const hosts = Array.from({ length: options.hosts }, (_, index) => {
    const host = hostPlace(place, range, index + 1);
    const environment = {
      ...process.env,
      ECS_DATADIR: join(host.folder, 'agent'),
      DOCKER_HOST: `unix://${host.socket}`,
      ECS_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
      ECS_INSTANCE_ATTRIBUTES: JSON.stringify({ [hostAttribute]: host.name }),
      ...options.agent,
      ...daemonEnvironment,
    };
    const agent = daemonCommand(root, 'agent');
    return createFleetHost({ place, host, agent, environment, clock: systemClock, endsWithUs: true });
  });
  const fleet: Fleet = {
    ...cell,
    ...readingOf(cell),
    folder,
    hosts,
    control,
    running: async () => (await Promise.all(hosts.map((host) => host.running()))).flat(),
    connectedAgents: () => connectedAgents(cell),
    setControlCable: (isPlugged) => setCable(place, machinePort, isPlugged),
    async close() {
      await kept.disposeAsync();
      const left = await leftoversOf(place);
      if (left.length > 0) throw new Error(`the fleet has left:\n${left.join('\n')}`);
    },
  };
  undo.defer(() => {
    for (const host of hosts) host.close();
    cell.ecs.destroy();
  });
  await cell.untilReady();
  const dataFolders = hosts.map((_, index) => join(hostPlace(place, range, index + 1).folder, 'agent'));
  await joinMachines({ cell, control: `https://${hostsListen(range)}`, dataFolders });
  await Promise.all(hosts.map((host) => host.powerOn()));
  await eventually('all agents to register', async () => (await connectedAgents(cell)) === options.hosts);
  const kept = undo.move();
  return fleet;
}

async function connectedAgents({ ecs }: Cell): Promise<number> {
  const connected = new ListContainerInstancesCommand({ filter: 'agentConnected == true' });
  return (await ecs.send(connected)).containerInstanceArns?.length ?? 0;
}
