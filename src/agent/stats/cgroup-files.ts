/** Reads the text of the kernel's accounting files (cgroup v1 and v2, `/proc`). Pure; what a file lacks counts as 0. */
import type { BlockCounters, InterfaceCounters } from './container-stats.ts';

/** `name value` lines, as in `memory.stat` and `cpu.stat`. */
export function keyedNumbers(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) found.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return found;
}

/** A file of one number. `max` and cgroup v1's "no limit" (a page below 2^63) are Infinity. */
export function oneNumber(text: string): number {
  const word = text.trim();
  if (word === 'max') return Infinity;
  const value = Number(word);
  return value >= 2 ** 62 ? Infinity : value;
}

/** The interfaces of `/proc/<pid>/net/dev`, without loopback. */
export function interfacesOf(text: string): Record<string, InterfaceCounters> {
  const found: Record<string, InterfaceCounters> = {};
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === 'lo') continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = numbers;
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = numbers.slice(8);
    found[name] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return found;
}

/** cgroup v1: `8:0 Read 4096` lines of bytes and of operations. */
export function blockCountersV1(bytes: string, operations: string): BlockCounters[] {
  const devices = new Map<string, BlockCounters>();
  const read = (text: string, names: { Read: keyof BlockCounters; Write: keyof BlockCounters }): void => {
    for (const line of text.split('\n')) {
      const [device = '', operation, value] = line.split(' ');
      if (operation !== 'Read' && operation !== 'Write') continue;
      const known = devices.get(device) ?? noBlocks(device);
      devices.set(device, { ...known, [names[operation]]: Number(value) });
    }
  };
  read(bytes, { Read: 'readBytes', Write: 'writeBytes' });
  read(operations, { Read: 'reads', Write: 'writes' });
  return [...devices.values()];
}

/** cgroup v2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`, one line per device. */
export function blockCountersV2(text: string): BlockCounters[] {
  const found: BlockCounters[] = [];
  for (const line of text.split('\n')) {
    const [device = '', ...pairs] = line.split(' ');
    if (!device.includes(':')) continue;
    const values = new Map(pairs.map((pair) => pair.split('=')).map(([name = '', value]) => [name, Number(value)]));
    found.push({
      ...noBlocks(device),
      readBytes: values.get('rbytes') ?? 0,
      writeBytes: values.get('wbytes') ?? 0,
      reads: values.get('rios') ?? 0,
      writes: values.get('wios') ?? 0,
    });
  }
  return found;
}

function noBlocks(device: string): BlockCounters {
  const [major, minor] = device.split(':').map(Number);
  return { major: major ?? 0, minor: minor ?? 0, readBytes: 0, writeBytes: 0, reads: 0, writes: 0 };
}

/** `/proc/stat` counts in hundredths of a second on every architecture that Linux runs containers on. */
const nsPerTick = 10_000_000;

export interface HostCpu {
  /** Of all processors. */
  readonly totalNs: number;
  readonly idleNs: number;
  readonly cpus: number;
}

export function hostCpuOf(procStat: string): HostCpu {
  const lines = procStat.split('\n');
  // As the engine counts: without time stolen by a hypervisor, and guest time is part of user time already.
  const ticks = (lines[0] ?? '').trim().split(/\s+/).slice(1, 8).map(Number);
  const [, , , idle = 0, ioWait = 0] = ticks;
  return {
    totalNs: ticks.reduce((sum, value) => sum + value, 0) * nsPerTick,
    idleNs: (idle + ioWait) * nsPerTick,
    cpus: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}

export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

export function hostMemoryOf(meminfo: string): HostMemory {
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable') };
}

/** Controllers to cgroup paths, as `/proc/<pid>/cgroup` says; the key of version 2 is the empty text. */
export function cgroupPathsOf(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, ...rest] = line.split(':');
    if (controllers === undefined) continue;
    for (const controller of controllers.split(',')) paths.set(controller, rest.join(':'));
  }
  return paths;
}

/** Controllers to mount points, as `/proc/self/mountinfo` says; the key of version 2 is the empty text. */
export function cgroupMountsOf(mountinfo: string): Map<string, string> {
  const mounts = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    const mountPoint = before.split(' ')[4];
    if (mountPoint === undefined) continue;
    if (type === 'cgroup2') mounts.set('', mountPoint);
    if (type === 'cgroup') for (const option of options.split(',')) mounts.set(option, mountPoint);
  }
  return mounts;
}
