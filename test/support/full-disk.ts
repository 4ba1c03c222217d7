/** A disk without any room: what a test fills to see what is done about it. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const mebibyte = 1024 * 1024;

/** Takes all the room there is in the file system of `folder`. Answers the file that took it; removing that gives it back. */
export function fill(folder: string): string {
  const path = join(folder, 'filler');
  const file = openSync(path, 'w');
  try {
    // Less and less, so that not even a page is left.
    for (let bytes = mebibyte; bytes >= 512; bytes /= 2) while (writesAll(file, Buffer.alloc(bytes)));
  } finally {
    closeSync(file);
  }
  return path;
}

function writesAll(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
