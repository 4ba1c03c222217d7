/** The processes of hosts, found by their command lines, so that no pid has to be remembered and a stranger's is never taken for one. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface HostProcesses {
  /** First of the host's process namespace: with it everything in the host ends. One, unless it is only half started. */
  readonly inside: readonly number[];
  /** Those that start it and wait for its end. */
  readonly outside: readonly number[];
}

/** `program` is bin/dev-host. By the folder of the host. */
export async function findHosts(program: string): Promise<Map<string, HostProcesses>> {
  const hosts = new Map<string, HostProcesses>();
  for (const pid of await allPids()) {
    const words = (await textOf(`/proc/${pid}/cmdline`)).split('\0');
    const at = words.indexOf(program);
    const folder = words[at + 2];
    if (at === -1 || folder === undefined || !['start', 'groups', 'boot'].includes(words[at + 1] ?? '')) continue;
    const inner = /^NSpid:\s+\d+\s+(\d+)$/mu.exec(await textOf(`/proc/${pid}/status`))?.[1];
    const known = hosts.get(folder) ?? { inside: [], outside: [] };
    if (inner === '1') hosts.set(folder, { ...known, inside: [...known.inside, pid] });
    else if (inner === undefined) hosts.set(folder, { ...known, outside: [...known.outside, pid] });
  }
  return hosts;
}

/** The agent of a host, by the first process of its process namespace; none while it is being started again. */
export async function agentsIn(first: number, program: string): Promise<number[]> {
  const namespace = await linkOf(`/proc/${first}/ns/pid`);
  const found: number[] = [];
  for (const pid of await allPids()) {
    if ((await linkOf(`/proc/${pid}/ns/pid`)) !== namespace) continue;
    const words = (await textOf(`/proc/${pid}/cmdline`)).split('\0');
    // The shells that keep it running have its command in theirs.
    if (words.at(-2) === 'agent' && !words.includes(program)) found.push(pid);
  }
  return found;
}

async function allPids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** A process that has ended meanwhile has none; one that may not be looked at is none of a host. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(gone(''));
}

async function linkOf(path: string): Promise<string> {
  return readlink(path).catch(gone(''));
}

function gone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(error.code ?? '')) return instead;
    throw error;
  };
}
