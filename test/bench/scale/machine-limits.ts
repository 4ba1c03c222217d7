/** Whether this machine lets the bench open as many sockets as it needs, asked before anything is started. */
import { readFile } from 'node:fs/promises';

/** Of a process besides its sockets to agents: files, the database, connections of clients. */
const otherDescriptors = 300;

/** What to do about a limit that is too low; undefined when it is high enough. Node raises the soft limit to the hard one by itself. */
export async function descriptorProblem(instances: number): Promise<string | undefined> {
  const needed = instances + otherDescriptors;
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/mu.exec(limits)?.[1];
  if (hard === undefined || hard === 'unlimited' || Number(hard) >= needed) return undefined;
  return `${instances} instances need ${needed} open files in one process, and this shell allows ${hard}: run "ulimit -n ${needed}" as root first, or measure less with --instances`;
}
