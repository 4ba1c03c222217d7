/**
 * What a development cluster leaves in its state folder: one JSON file that names its daemons. A pid counts as ours only while the process behind it
 * still is the daemon we started (its command line says so), so that a stale file never leads to a stranger's process.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from '../errors.ts';

const DevState = z.object({
  endpoint: z.url(),
  region: z.string(),
  /** Epoch milliseconds. */
  startedAt: z.number(),
  /** Without an agent: of a cluster of hosts, each of which runs its own, or of a start that was interrupted. */
  pids: z.object({ control: z.number().int().positive(), agent: z.number().int().positive().exactOptional() }),
  /** How many, and on which range of addresses (`198.19.7`). */
  hosts: z.object({ range: z.string().regex(/^\d+\.\d+\.\d+$/), count: z.number().int().positive() }).exactOptional(),
});
export type DevState = z.infer<typeof DevState>;

export type DaemonName = keyof DevState['pids'];

/** The file names the daemons; without it nothing can end them. */
export const damagedStateAdvice =
  'end `berth control` and `berth agent` (see `ps -C node -o pid,args`), remove the file, and start anew with `npm start`';

function fileIn(home: string): string {
  return join(home, 'dev.json');
}

export async function readDevState(home: string): Promise<DevState | undefined> {
  let text: string;
  try {
    text = await readFile(fileIn(home), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new CliError(`cannot read ${fileIn(home)}`, { cause: error });
  }
  try {
    return DevState.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new CliError(`${fileIn(home)} is damaged: ${detail}`, { cause: error, next: damagedStateAdvice });
  }
}

/** Written beside and renamed, so that a reader never sees half of it. */
export async function writeDevState(home: string, state: DevState): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(`${fileIn(home)}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${fileIn(home)}.new`, fileIn(home));
}

export async function removeDevState(home: string): Promise<void> {
  await rm(fileIn(home), { force: true });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}

async function procFile(pid: number, name: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether `pid` is a living `berth <daemon>` (a zombie, or a process that took over the number, is not). */
export async function isDaemonAlive(pid: number | undefined, daemon: DaemonName): Promise<boolean> {
  if (pid === undefined) return false;
  const status = await procFile(pid, 'status');
  if (status === undefined || /^State:\s+Z/mu.test(status)) return false;
  const words = (await procFile(pid, 'cmdline'))?.split('\0') ?? [];
  return words.some((word) => word.endsWith('/main.js')) && words.includes(daemon);
}
