/** Looks at the machine's disks and memory. A thing that is not there, or not ours to see, is unknown and never bad. */
import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { hostMemoryOf } from '../stats/cgroup-files.ts';
import { stallOf, type Room } from './pressure.ts';

export interface MachineLooks {
  /** Undefined when this machine has no such folder: the engine may be elsewhere. */
  disk(folder: string): Promise<Room | undefined>;
  memory(): { room: Room; stall: number | undefined } | undefined;
}

const absences: readonly unknown[] = ['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EOPNOTSUPP'];

export function createMachineLooks(): MachineLooks {
  return {
    async disk(folder) {
      try {
        const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
        return {
          freeBytes: bavail * bsize,
          totalBytes: blocks * bsize,
          ...(files > 0 && { freeEntries: ffree, totalEntries: files }),
        };
      } catch (error) {
        if (isAbsence(error)) return undefined;
        throw error;
      }
    },
    memory() {
      const meminfo = textOf('/proc/meminfo');
      if (meminfo === undefined) return undefined;
      const { availableBytes, totalBytes } = hostMemoryOf(meminfo);
      return { room: { freeBytes: availableBytes, totalBytes }, stall: stallOf(textOf('/proc/pressure/memory') ?? '') };
    },
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && absences.includes(error.code);
}
