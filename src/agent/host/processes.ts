/**
 * Processes of containers, as this machine sees them. Nothing is signalled on a number alone: the process must be in the control groups of its
 * container and have the start time that it had when it was first looked at, so that neither a number used anew nor an engine in another process
 * namespace leads to a stranger.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A command in a container is the leader of a session of its own; what it starts belongs to it unless it leaves on purpose. */
export interface CommandProcess {
  readonly pid: number;
  readonly containerId: string;
  /** In ticks since the machine's start, as the kernel writes it. */
  readonly startTime: string;
}

export interface ContainerProcesses {
  /** Undefined when there is no such process, or it is not one of the container. */
  find(pid: number, containerId: string): Promise<CommandProcess | undefined>;
  /** Everything of the command's session, the command itself included as long as it is the same. Returns how many were told. */
  signalSession(command: CommandProcess, signal: 'SIGHUP' | 'SIGKILL'): Promise<number>;
}

export interface ContainerProcessesOptions {
  /** `/proc`. */
  folder?: string;
  kill?(pid: number, signal: NodeJS.Signals): void;
}

export function createContainerProcesses({
  folder = '/proc',
  kill = (pid, signal) => void process.kill(pid, signal),
}: ContainerProcessesOptions = {}): ContainerProcesses {
  async function read(pid: number, file: string): Promise<string | undefined> {
    try {
      return await readFile(join(folder, String(pid), file), 'utf8');
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async function find(pid: number, containerId: string): Promise<(CommandProcess & { session: number }) | undefined> {
    const [stat, groups] = await Promise.all([read(pid, 'stat'), read(pid, 'cgroup')]);
    if (stat === undefined || groups === undefined || !groups.includes(containerId)) return undefined;
    const found = parseStat(stat);
    return found && { pid, containerId, ...found };
  }

  return {
    async find(pid, containerId) {
      const found = await find(pid, containerId);
      return found && { pid, containerId, startTime: found.startTime };
    },

    async signalSession({ pid: leader, containerId, startTime }, signal) {
      const first = await find(leader, containerId);
      // Its number lives on with the session as long as anything of that does, so another start time means another process.
      if (first !== undefined && first.startTime !== startTime) return 0;
      let told = 0;
      for (const name of await readdir(folder)) {
        if (!/^\d+$/.test(name)) continue;
        const found = await find(Number(name), containerId);
        if (found?.session !== leader) continue;
        try {
          kill(found.pid, signal);
          told += 1;
        } catch (error) {
          if (!isGone(error)) throw error;
        }
      }
      return told;
    },
  };
}

/** After the name in parentheses, which may hold anything: state, parent, group, session, … and the start time as the 20th. */
function parseStat(stat: string): { session: number; startTime: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [session, startTime] = [fields[3], fields[19]];
  return session === undefined || startTime === undefined ? undefined : { session: Number(session), startTime };
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}
