/**
 * When a machine is too full to take more. Pure. Invariant: a check changes its mind only after several looks in a row say so, and lies further
 * from the threshold on the way back than on the way there, so that a machine at the edge does not flap.
 */
import type { InstanceHealthStatus } from '#model/container-instance.ts';

export const pressureTypes = ['ENGINE_DISK_PRESSURE', 'AGENT_DISK_PRESSURE', 'MEMORY_PRESSURE'] as const;
export type PressureType = (typeof pressureTypes)[number];

/** `edge` is neither: what was decided before stays. `unknown`: could not look, which says nothing. */
export type Verdict = { level: 'good' | 'edge' | 'unknown' } | { level: 'bad'; reason: string };

export interface Check {
  readonly status: InstanceHealthStatus;
  /** Present when IMPAIRED: what was seen when it became so. */
  readonly reason?: string;
  /** Looks in a row that speak against `status`. */
  readonly against: number;
}

/** Room that is left of a disk or of memory, in bytes. */
export interface Room {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Entries that a file system can still take, where it has a fixed number of them. */
  readonly freeEntries?: number;
  readonly totalEntries?: number;
}

const looksToImpair = 2;
const looksToRecover = 3;
const recovery = 1.25;
/** Small disks and machines are not full because they are small. */
const largestShare = 0.05;
const leastEntriesShare = 0.01;

export const initialCheck: Check = { status: 'INITIALIZING', against: 0 };

export function nextCheck(before: Check, verdict: Verdict): Check {
  const isImpaired = before.status === 'IMPAIRED';
  switch (verdict.level) {
    case 'unknown':
      return { ...before, status: before.status === 'INITIALIZING' ? 'INSUFFICIENT_DATA' : before.status, against: 0 };
    case 'edge':
      return isImpaired ? { ...before, against: 0 } : { status: 'OK', against: 0 };
    case 'good':
      if (isImpaired && before.against + 1 < looksToRecover) return { ...before, against: before.against + 1 };
      return { status: 'OK', against: 0 };
    case 'bad':
      if (isImpaired) return { ...before, against: 0 };
      if (before.against + 1 < looksToImpair) return { status: 'OK', against: before.against + 1 };
      return { status: 'IMPAIRED', reason: verdict.reason, against: 0 };
  }
}

/** `minimumBytes` counts as at most a twentieth of the whole. */
export function diskVerdict(room: Room, minimumBytes: number, what: string): Verdict {
  const minimum = Math.min(minimumBytes, room.totalBytes * largestShare);
  const { freeBytes, totalBytes, freeEntries = 1, totalEntries = 0 } = room;
  if (freeBytes < minimum)
    return { level: 'bad', reason: `${what} is full: ${mib(freeBytes)} of ${mib(totalBytes)} free` };
  const leastEntries = totalEntries * leastEntriesShare;
  if (freeEntries < leastEntries) {
    return { level: 'bad', reason: `${what} is full: ${freeEntries} of ${totalEntries} inodes free` };
  }
  return { level: freeBytes >= minimum * recovery && freeEntries >= leastEntries * recovery ? 'good' : 'edge' };
}

export interface MemoryLimits {
  readonly minimumBytes: number;
  /** Percent of the last minute in which every program waited for memory. */
  readonly maximumStall: number;
}

/** `stall` is undefined where the kernel does not count it. */
export function memoryVerdict(room: Room, stall: number | undefined, limits: MemoryLimits): Verdict {
  const minimum = Math.min(limits.minimumBytes, room.totalBytes * largestShare);
  const { freeBytes, totalBytes } = room;
  if (freeBytes < minimum) {
    return { level: 'bad', reason: `memory is short: ${mib(freeBytes)} of ${mib(totalBytes)} available` };
  }
  if (stall !== undefined && stall > limits.maximumStall) {
    return { level: 'bad', reason: `memory is short: all programs waited for it in ${stall} % of the last minute` };
  }
  const isEasy = freeBytes >= minimum * recovery && (stall ?? 0) * recovery <= limits.maximumStall;
  return { level: isEasy ? 'good' : 'edge' };
}

/** `avg60` of the `full` line of `/proc/pressure/memory`, in percent. */
export function stallOf(pressure: string): number | undefined {
  const found = /^full .*\bavg60=([\d.]+)/m.exec(pressure)?.[1];
  return found === undefined ? undefined : Number(found);
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / (1024 * 1024))} MiB`;
}
