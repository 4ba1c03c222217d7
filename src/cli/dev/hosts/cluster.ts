/**
 * The hosts of a development cluster: how they are made, powered on and taken away, and what is known of each. Their disks are in the state folder;
 * of these the engine's goes with the cluster, the agent's stays, so that a host of the same name is the same container instance in the next.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { daemonEnvironment } from '#lib/small-process.ts';
import { daemonCommand } from '../daemon.ts';
import { CliError } from '../../errors.ts';
import type { CliContext } from '../../context.ts';
import { powerOff, powerOn, shutDown, type HostAt } from './host.ts';
import { createLan, isPlugged, setCable } from './lan.ts';
import { hostPlace, placeIn, type HostPlace, type Place } from './place.ts';
import { findHosts } from './processes.ts';
import { requireHosts } from './requirements.ts';
import { sweep } from './sweep.ts';
import type { DevSettings } from '../settings.ts';
import type { DevState } from '../state.ts';

export type Hosts = NonNullable<DevState['hosts']>;

export const mostHosts = 16;
/** Of each instance: the name of its host, and where the ports of its tasks are. */
export const hostAttributes = { name: 'host', address: 'host-address' } as const;

function placeOf(context: CliContext): Place {
  const { home, root } = context.environment;
  return placeIn(join(home, 'hosts'), root);
}

function placesOf(context: CliContext, { range, count }: Hosts): HostPlace[] {
  return Array.from({ length: count }, (_, index) => hostPlace(placeOf(context), range, index + 1));
}

function at(context: CliContext, host: HostPlace): HostAt {
  return { place: placeOf(context), host, clock: context.clock };
}

/** Checks what it takes, clears away what an interrupted command has left, and makes the LAN. Rejects with a CliError. */
export async function prepareHosts(context: CliContext, count: number): Promise<Hosts> {
  const { PATH } = context.environment.inherited;
  await requireHosts({ userId: process.getuid?.(), path: PATH });
  await sweep(placeOf(context), context.clock);
  return { range: await createLan(placeOf(context)), count };
}

/** Those that are off. Resolves when all engines answer. */
export async function powerOnHosts(context: CliContext, hosts: Hosts, settings: DevSettings): Promise<void> {
  await Promise.all(placesOf(context, hosts).map((host) => powerOnHost(context, host, settings)));
}

async function powerOnHost(context: CliContext, host: HostPlace, settings: DevSettings): Promise<void> {
  const { root } = context.environment;
  const attributes = { [hostAttributes.name]: host.name, [hostAttributes.address]: host.address };
  const environment = {
    ...settings.agent,
    ...daemonEnvironment,
    ECS_DATADIR: agentFolder(host),
    DOCKER_HOST: engineOf(host),
    ECS_INSTANCE_ATTRIBUTES: JSON.stringify(attributes),
  };
  await powerOn({ ...at(context, host), host, agent: daemonCommand(root, 'agent'), environment });
}

function engineOf(host: HostPlace): string {
  return `unix://${host.socket}`;
}

/** For DOCKER_HOST. */
export function enginesOf(context: CliContext, hosts: Hosts): string[] {
  return placesOf(context, hosts).map(engineOf);
}

function agentFolder({ folder }: HostPlace): string {
  return join(folder, 'agent');
}

export function agentFoldersOf(context: CliContext, hosts: Hosts): string[] {
  return placesOf(context, hosts).map(agentFolder);
}

/** Shuts them down in order, and takes away all but what their agents remember. */
export async function takeAwayHosts(context: CliContext, hosts: Hosts): Promise<void> {
  const places = placesOf(context, hosts);
  await Promise.all(places.map((host) => shutDown(at(context, host))));
  await sweep(placeOf(context), context.clock);
  for (const { folder, socket } of places) {
    await rm(join(folder, 'docker'), { recursive: true, force: true });
    await rm(socket, { force: true });
  }
}

/** What a command that was killed half-way has left, without the state file that would name it. */
export async function clearRemains(context: CliContext): Promise<void> {
  if (existsSync(placeOf(context).folder)) await sweep(placeOf(context), context.clock);
}

export interface HostStatus {
  readonly name: string;
  readonly power: 'on' | 'off';
  readonly cable: 'plugged' | 'cut' | 'none';
  readonly address: string;
  /** For DOCKER_HOST. */
  readonly engine: string;
}

export async function hostsStatus(context: CliContext, hosts: Hosts): Promise<HostStatus[]> {
  const place = placeOf(context);
  const running = await findHosts(place.program);
  return Promise.all(
    placesOf(context, hosts).map(async (host) => {
      const isOn = running.get(host.folder)?.inside.length === 1;
      const cable = isOn ? ((await isPlugged(place, host.name)) ? 'plugged' : 'cut') : 'none';
      return { name: host.name, power: isOn ? 'on' : 'off', cable, address: host.address, engine: engineOf(host) };
    }),
  );
}

export const hostFaults = ['off', 'on', 'reboot', 'cut', 'mend'] as const;
export type HostFault = (typeof hostFaults)[number];

/** Rejects with a CliError when there is no such host, or when it is off and the fault is that of a cable. */
export async function doToHost(
  context: CliContext,
  { hosts, name, fault, settings }: { hosts: Hosts; name: string; fault: HostFault; settings: DevSettings },
): Promise<void> {
  const host = placesOf(context, hosts).find((one) => one.name === name);
  if (host === undefined) {
    throw new CliError(`there is no host ${name}`, { next: `the hosts are ${namesOf(context, hosts)}` });
  }
  const [status] = (await hostsStatus(context, hosts)).filter((one) => one.name === name);
  switch (fault) {
    case 'off':
      return powerOff(at(context, host));
    case 'on':
      return powerOnHost(context, host, settings);
    case 'reboot':
      await shutDown(at(context, host));
      return powerOnHost(context, host, settings);
    case 'cut':
    case 'mend':
      if (status?.power === 'off') throw new CliError(`${name} is off`, { next: `\`berth dev host on ${name}\`` });
      return setCable(placeOf(context), name, fault === 'mend');
  }
}

function namesOf(context: CliContext, hosts: Hosts): string {
  return placesOf(context, hosts)
    .map(({ name }) => name)
    .join(', ');
}
