/**
 * Where several hosts on one machine keep their things. All names derive from the folder, so that whoever knows the folder finds, and can take away, what
 * an interrupted command has left; two folders share nothing.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface Place {
  /** Holds the LAN and one folder for each host. */
  readonly folder: string;
  /** The program that is a host: bin/dev-host of the clone. */
  readonly program: string;
  /** Name of the machine's end of its own cable, and beginning of the names of control groups; an interface has at most 15 characters. */
  readonly tag: string;
  /** File of the LAN's network namespace. */
  readonly lan: string;
}

export interface HostPlace {
  readonly name: string;
  readonly folder: string;
  readonly address: string;
  /** Name of its control group in every hierarchy. */
  readonly group: string;
  /** The host's engine. */
  readonly socket: string;
}

export function placeIn(folder: string, root: string): Place {
  const tag = `berth-${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`;
  return { folder, program: join(root, 'bin/dev-host'), tag, lan: join(folder, 'lan.net') };
}

/** `range` is the LAN's, e.g. `198.19.7`; hosts are counted from 1. */
export function hostPlace(place: Place, range: string, number: number): HostPlace {
  const name = `host-${number}`;
  const folder = join(place.folder, name);
  return {
    name,
    folder,
    address: `${range}.${10 + number}`,
    group: `${place.tag}-${name}`,
    socket: join(folder, 'docker.sock'),
  };
}

/** The machine's own address on the LAN. */
export function machineAddressOn(range: string): string {
  return `${range}.1`;
}

/** Where control is for its hosts, over TLS. */
export function hostsListen(range: string): string {
  return `${machineAddressOn(range)}:4567`;
}

/** Where it is for the machine itself: a loopback address that goes with the range, so that clusters of several folders do not meet. */
export function machineListen(range: string): string {
  return `${loopbackOf(range)}:4566`;
}

/** `127.19.7.1` for `198.19.7`. */
export function loopbackOf(range: string): string {
  return `${range.replace(/^\d+/, '127')}.1`;
}

const ranges = Array.from({ length: 256 }, (_, third) => `198.19.${third}`);

/**
 * A range of 256 addresses that nothing on this machine uses, out of those that are for tests of networks (RFC 2544); which one is tried first
 * depends on the tag. `taken`: the machine's IPv4 addresses. Undefined when none is free.
 */
export function freeRange(tag: string, taken: readonly string[]): string | undefined {
  const first = createHash('sha256').update(tag).digest().readUInt8(0);
  const inOrder = [...ranges.slice(first), ...ranges.slice(0, first)];
  return inOrder.find((range) => !taken.some((address) => address.startsWith(`${range}.`)));
}
