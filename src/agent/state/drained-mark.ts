/** A file that outlives a reboot: this machine was drained because it went down, and is to be ACTIVE when it is back. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurably } from '#lib/durable-file.ts';

export function drainedMarkIn(dataFolder: string) {
  const file = join(dataFolder, 'drained-for-shutdown');
  return {
    set: () => writeFileDurably(file, ''),
    isSet: () => existsSync(file),
    remove: () => rmSync(file, { force: true }),
  };
}
