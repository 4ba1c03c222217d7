/** Programs of the system by argument vector. A failure carries the program's own words; a program that is missing is named with its package. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CliError } from '../../errors.ts';

const execute = promisify(execFile);
const timeoutMs = 30_000;

const packageOf: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nsenter: 'util-linux',
  mount: 'mount',
  umount: 'mount',
};

/** Answers what it printed. Rejects with a CliError. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await execute(program, [...args], { timeout: timeoutMs })).stdout;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT')
      throw new CliError(`the program ${program} is missing`, {
        cause: error,
        next: `install ${packageOf[program] ?? program}`,
      });
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new CliError(`\`${[program, ...args].join(' ')}\` failed: ${words}`, { cause: error });
  }
}

/** Whether it ended with 0. */
export async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await execute(program, [...args], { timeout: timeoutMs });
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code === 'number') return false;
    throw error;
  }
}
