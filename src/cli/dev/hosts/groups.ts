/** The control groups of a host, one in each hierarchy of version 1 or the one of version 2: freezing all that is in it, and their removal. */
import { existsSync } from 'node:fs';
import { readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';

const groupsFolder = '/sys/fs/cgroup';
const emptyTimeoutMs = 10_000;

function isVersion2(): boolean {
  return existsSync(join(groupsFolder, 'cgroup.controllers'));
}

/** All groups of this name, whether or not there is one in each hierarchy. */
async function groupsNamed(name: string): Promise<string[]> {
  const hierarchies = isVersion2() ? [''] : await readdir(groupsFolder);
  return hierarchies.map((hierarchy) => join(groupsFolder, hierarchy, name)).filter((group) => existsSync(group));
}

/** Of the groups that exist, those whose names begin like this. */
export async function groupNames(prefix: string): Promise<string[]> {
  const hierarchies = isVersion2() ? [''] : await readdir(groupsFolder);
  const names = await Promise.all(hierarchies.map((hierarchy) => readdir(join(groupsFolder, hierarchy))));
  return [...new Set(names.flat())].filter((name) => name.startsWith(prefix));
}

/** Everything in the group stands still, containers included, until it is thawed; what is killed meanwhile ends then. A group that is not there has nothing to freeze. */
export async function freeze(name: string, isFrozen: boolean): Promise<void> {
  const [file, word] = isVersion2()
    ? [join(groupsFolder, name, 'cgroup.freeze'), isFrozen ? '1' : '0']
    : [join(groupsFolder, 'freezer', name, 'freezer.state'), isFrozen ? 'FROZEN' : 'THAWED'];
  if (existsSync(file)) await writeFile(file, word);
}

/** Once everything in it has been told to end; the kernel lets a group go a moment after its last process. */
export async function removeGroups(name: string, clock: Clock): Promise<void> {
  const deadline = clock.now() + emptyTimeoutMs;
  for (const group of await groupsNamed(name)) {
    while (!(await isRemoved(group))) {
      if (clock.now() > deadline) throw new Error(`the control group ${group} is not empty`);
      await clock.sleep(20);
    }
  }
}

async function isRemoved(group: string): Promise<boolean> {
  try {
    const entries = await readdir(group, { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory() && !(await isRemoved(join(group, entry.name)))) return false;
    await rmdir(group);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY') return false;
    throw error;
  }
}
