/**
 * The host ports that are taken on this machine by others than the engine: what listens on TCP, and what is bound on UDP outside the range
 * from which clients get their ports. Ports of containers do not count, because control knows of the tasks behind them.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostPort, TransportProtocol } from '#model/resources.ts';

interface Socket extends HostPort {
  inode: string;
}

const listeningState = '0A';
/** An UDP socket that is not connected. */
const unconnectedState = '07';

/** Each port once, in order. `procFolder` is another one than /proc in tests. */
export async function listeningPorts(procFolder: string = '/proc'): Promise<HostPort[]> {
  const sockets = await Promise.all([
    socketsIn(join(procFolder, 'net/tcp'), 'tcp'),
    socketsIn(join(procFolder, 'net/tcp6'), 'tcp'),
    socketsIn(join(procFolder, 'net/udp'), 'udp'),
    socketsIn(join(procFolder, 'net/udp6'), 'udp'),
  ]);
  const [clientPorts, engines] = await Promise.all([clientPortRange(procFolder), engineSockets(procFolder)]);
  const found = new Map<string, HostPort>();
  for (const { port, protocol, inode } of sockets.flat()) {
    const isClient = protocol === 'udp' && port >= clientPorts.first && port <= clientPorts.last;
    if (!isClient && !engines.has(inode)) found.set(`${port}/${protocol}`, { port, protocol });
  }
  return [...found.values()].toSorted((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1));
}

/** Every local port of any socket, of containers and clients too. */
export async function portsWithSockets(procFolder: string = '/proc'): Promise<HostPort[]> {
  const tables = (['tcp', 'udp'] as const).flatMap((protocol) =>
    [protocol, `${protocol}6`].map(async (table) => {
      const text = (await readIfThere(join(procFolder, 'net', table))) ?? '';
      return localPorts(text).map((port): HostPort => ({ port, protocol }));
    }),
  );
  return (await Promise.all(tables)).flat();
}

function localPorts(table: string): number[] {
  const addresses = table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/)[1] ?? '');
  return addresses.map(portOf).filter((port) => port > 0);
}

/** Of an address in hexadecimal, as the kernel writes it. */
function portOf(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
}

async function socketsIn(path: string, protocol: TransportProtocol): Promise<Socket[]> {
  return parseSockets((await readIfThere(path)) ?? '', protocol);
}

/** The kernel's table, e.g. /proc/net/tcp: address and port in hexadecimal, state in the fourth column, inode in the tenth. */
export function parseSockets(table: string, protocol: TransportProtocol): Socket[] {
  const wanted = protocol === 'tcp' ? listeningState : unconnectedState;
  const found: Socket[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const port = portOf(local);
    if (state === wanted && port > 0) found.push({ port, protocol, inode });
  }
  return found;
}

async function clientPortRange(procFolder: string): Promise<{ first: number; last: number }> {
  const text = await readIfThere(join(procFolder, 'sys/net/ipv4/ip_local_port_range'));
  const [first, last] = (text ?? '').trim().split(/\s+/).map(Number);
  return { first: first || 32_768, last: last || 60_999 };
}

/** Inodes of the sockets that belong to docker-proxy or to processes in containers. */
async function engineSockets(procFolder: string): Promise<Set<string>> {
  const pids = (await readdir(procFolder)).filter((name) => /^\d+$/.test(name));
  const owned = await Promise.all(
    pids.map(async (pid) =>
      (await isEngines(join(procFolder, pid))) ? socketInodes(join(procFolder, pid, 'fd')) : [],
    ),
  );
  return new Set(owned.flat());
}

/** A container's processes are in a control group named by the container's id of 64 digits. */
async function isEngines(processFolder: string): Promise<boolean> {
  const [name, groups] = await Promise.all([
    readIfThere(join(processFolder, 'comm')),
    readIfThere(join(processFolder, 'cgroup')),
  ]);
  return name?.trim() === 'docker-proxy' || /[0-9a-f]{64}/.test(groups ?? '');
}

async function socketInodes(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(unlessGone<string[]>([]));
  const targets = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(unlessGone(''))));
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}

function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(unlessGone(undefined));
}

/** Processes end while they are looked at, some are nobody's business, and not every kernel has every table. */
function unlessGone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes(error.code ?? '')) return instead;
    throw error;
  };
}
