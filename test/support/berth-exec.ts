/** `berth exec` as people run it: the built command line as a process, and the processes that it makes run in containers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunTaskCommand } from '@aws-sdk/client-ecs';
import { testKey } from './processes.ts';
import { eventually, type RealCell } from './real-cell.ts';

export const program = resolve(import.meta.dirname, '../../dist/main.js');

export interface StartedProgram {
  readonly child: ChildProcess;
  /** What it has written to stdout so far. */
  said(): string;
  readonly ended: Promise<{ code: number | null; out: Buffer; err: string }>;
}

/** Any program, with the cell as its endpoint. */
export function startProgram({ url }: Pick<RealCell, 'url'>, file: string, args: readonly string[]): StartedProgram {
  const environment = {
    ...process.env,
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: testKey.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testKey.secretAccessKey,
    AWS_REGION: 'us-east-1',
  };
  const child = spawn(file, args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  // A program that has ended reads no more; its exit code says the rest.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<{ code: number | null; out: Buffer; err: string }>((done) => {
    child.once('close', (code) => done({ code, out: Buffer.concat(out), err }));
  });
  return { child, said: () => Buffer.concat(out).toString(), ended };
}

/** Its end, after the end of its input. */
export async function ending({
  child,
  ended,
}: StartedProgram): Promise<{ code: number | null; out: string; err: string }> {
  child.stdin?.end();
  const { code, out, err } = await ended;
  return { code, out: out.toString(), err };
}

/** A running task in which commands may be run, unless said otherwise. */
export async function runningTask(
  cell: RealCell,
  taskDefinition: string,
  enableExecuteCommand = true,
): Promise<string> {
  const { tasks: [started] = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition, enableExecuteCommand }));
  const arn = started?.taskArn ?? '';
  await eventually(`${taskDefinition} to run`, async () => (await cell.task(arn)).lastStatus === 'RUNNING');
  return arn;
}

/** Processes on this machine, in whatever container, that were started with these words. */
export function processesOf(...command: string[]): string[] {
  const wanted = `${command.join('\0')}\0`;
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/u.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === wanted;
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
        return false;
      throw error;
    }
  });
}
