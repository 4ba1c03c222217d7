/** Other programs of this clone that `berth dev` runs: the sample's image builder and the agent's purge. Argument vectors only, never a shell. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../errors.ts';

const execute = promisify(execFile);

export interface ProgramOptions {
  root: string;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
  timeoutMs: number;
}

/** Runs a TypeScript file of the clone with this very Node; answers what it printed. A failure carries what it said. */
async function runNode(args: readonly string[], what: string, options: ProgramOptions): Promise<string> {
  try {
    const { stdout } = await execute(process.execPath, [...args], {
      cwd: options.root,
      env: options.environment,
      signal: options.signal,
      timeout: options.timeoutMs,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    options.signal.throwIfAborted();
    throw new CliError(`${what} failed: ${whatItSaid(error)}`, { cause: error });
  }
}

/** A program's last words: on standard error, or the last lines of its log. */
function whatItSaid(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const streams = [
    'stderr' in error ? String(error.stderr).trim() : '',
    'stdout' in error ? String(error.stdout).trim().split('\n').slice(-3).join('\n') : '',
  ];
  return streams.find((text) => text !== '') ?? error.message;
}

/** Builds the program that the daemons run from, when a source is newer. */
export async function buildProgram(options: ProgramOptions): Promise<void> {
  if (!existsSync(join(options.root, 'bin/build.ts'))) {
    throw new CliError('`berth dev` builds and runs a clone of Berth, and this is an installed one', {
      next: 'use it in a clone (`npm start`); services of this machine are installed by install.sh',
    });
  }
  await runNode([join(options.root, 'bin/build.ts'), '--if-changed'], 'building the program', options);
}

export async function buildSampleImage(options: ProgramOptions): Promise<void> {
  await runNode([join(options.root, 'sample/build.ts')], 'building the sample image', options);
}

export async function removeSampleImage(options: ProgramOptions): Promise<void> {
  await runNode([join(options.root, 'sample/build.ts'), '--remove'], 'removing the sample image', options);
}

/** Gets the agent of a data folder its certificate; the code is in the environment. */
export async function joinAgent(
  given: { control: string; caFingerprint: string; activationId: string; dataFolder: string },
  options: ProgramOptions,
): Promise<void> {
  const words = ['--control', given.control, '--ca-fingerprint', given.caFingerprint];
  const more = ['--activation-id', given.activationId, '--data-folder', given.dataFolder];
  const program = join(options.root, 'dist/main.js');
  await runNode([program, 'agent', 'join', ...words, ...more], `joining ${given.dataFolder}`, options);
}

/** Stops and removes the containers and task volumes that the (stopped) agent of this state folder owns. */
export async function purgeAgent(options: ProgramOptions): Promise<void> {
  await runNode([join(options.root, 'src/main.ts'), 'agent', 'purge'], 'removing the containers of the agent', options);
}
