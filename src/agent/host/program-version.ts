/** What an executable of this program says it is. Running it also shows that it can run on this machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const limitMs = 30_000;

/** Rejects when it cannot be executed, fails, or takes more than half a minute. */
export async function versionOfProgram(executable: string): Promise<string> {
  const { stdout } = await promisify(execFile)(executable, ['--version'], { timeout: limitMs });
  return stdout.trim();
}
