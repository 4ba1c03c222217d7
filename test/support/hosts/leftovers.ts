/** What a fleet has left on the machine; nothing, or a test fails. */
import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { groupNames } from '#cli/dev/hosts/groups.ts';
import type { Place } from '#cli/dev/hosts/place.ts';

/** One line for each thing. */
export async function leftoversOf(place: Place): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  return [
    ...(await processesOn(place.folder)),
    ...mounts.filter((line) => line.split(' ')[1]?.startsWith(place.folder) === true).map((line) => `mount ${line}`),
    ...(await groupNames(place.tag)).map((name) => `control group ${name}`),
    ...Object.keys(networkInterfaces())
      .filter((name) => name === place.tag)
      .map((name) => `interface ${name}`),
  ];
}

/** Whose command line names the folder. Zombies, which have none, are their parents' affair. */
async function processesOn(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return words.includes(folder) ? [`process ${pid} ${words.replaceAll('\0', ' ')}`] : [];
    }),
  );
  return lines.flat();
}
