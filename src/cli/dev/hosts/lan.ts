/**
 * The LAN of several hosts on one machine: a bridge in a network namespace of its own, where no firewall of the machine reaches it, and a cable from there
 * to the machine itself, so that control and people reach the hosts. The namespace is pinned by a file; taking that away is its end.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { CliError } from '../../errors.ts';
import { freeRange, machineAddressOn, type Place } from './place.ts';
import { run, succeeds } from './run.ts';

/** The LAN's end of the machine's cable; those of the hosts have their names. */
export const machinePort = 'machine';

/** Answers its range. What an earlier one has left must have been taken away. */
export async function createLan(place: Place): Promise<string> {
  const taken = Object.values(networkInterfaces()).flatMap((own = []) => own.map(({ address }) => address));
  const range = freeRange(place.tag, taken);
  if (range === undefined)
    throw new CliError('every range of 198.19.0.0/16 is in use on this machine', {
      next: 'end other clusters of hosts',
    });
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  await writeFile(place.lan, '');
  await run('unshare', [`--net=${place.lan}`, 'ip', 'link', 'set', 'lo', 'up']);
  await inLan(place, ['ip', 'link', 'add', 'lan', 'type', 'bridge']);
  await inLan(place, ['ip', 'link', 'set', 'lan', 'up']);
  await run('ip', ['link', 'add', place.tag, 'type', 'veth', 'peer', 'name', machinePort, 'netns', place.lan]);
  await inLan(place, ['ip', 'link', 'set', machinePort, 'master', 'lan', 'up']);
  await run('ip', ['address', 'add', `${machineAddressOn(range)}/24`, 'dev', place.tag]);
  await run('ip', ['link', 'set', place.tag, 'up']);
  return range;
}

export async function inLan(place: Place, command: readonly string[]): Promise<void> {
  await run('nsenter', [`--net=${place.lan}`, ...command]);
}

/** Pulls or plugs in a cable at the LAN's end. */
export async function setCable(place: Place, port: string, isPlugged: boolean): Promise<void> {
  await inLan(place, ['ip', 'link', 'set', port, isPlugged ? 'up' : 'down']);
}

export async function isPlugged(place: Place, port: string): Promise<boolean> {
  const shown = await run('nsenter', [`--net=${place.lan}`, 'ip', '-oneline', 'link', 'show', 'dev', port]);
  return /[<,]UP[,>]/.test(shown);
}

/** Also what is left of a host's cable: the kernel takes away that of an ended one in its own time. */
export async function removePort(place: Place, port: string): Promise<void> {
  await succeeds('nsenter', [`--net=${place.lan}`, 'ip', 'link', 'delete', port]);
}

/** Also one that was only half made. */
export async function removeLan(place: Place): Promise<void> {
  await succeeds('ip', ['link', 'delete', place.tag]);
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const points = mounts.split('\n').filter((line) => line.split(' ')[1] === place.lan);
  for (const _ of points) await run('umount', [place.lan]);
  await rm(place.lan, { force: true });
}
