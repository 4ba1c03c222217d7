/** `berth exec`: a command in a container of a task, with this side's stdin, terminal and exit code (docs/exec.md). */
import { ExecuteCommandCommand, type Task } from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { joinWords } from '#model/command-words.ts';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { connectExec } from '../exec/connection.ts';
import { processStreams } from '../exec/local-streams.ts';
import { runExec } from '../exec/run-exec.ts';
import { shortId } from '../format.ts';
import { findTask } from '../lookup.ts';

interface ExecOptions {
  container?: string;
  interactive?: boolean;
  tty?: boolean;
}

const defaultCommand = ['/bin/sh'];
/** As shells tell an end by SIGINT and by SIGPIPE. */
const interruptedExitCode = 130;
const readerGoneExitCode = 141;

export function addExecCommand(program: Command, context: CliContext): void {
  program
    .command('exec')
    .description('run a command in a container of a running task; `-it` for a shell')
    .argument('<task>', 'ARN, id, or the beginning of the id')
    .argument('[command...]', 'after `--`; /bin/sh when left out')
    .option('-c, --container <name>', 'which container, when the task has several')
    .option('-i, --interactive', 'pass on stdin')
    .option('-t, --tty', 'give the command a terminal')
    .action((id: string, command: string[], options: ExecOptions) => execCommand(context, id, command, options));
}

async function execCommand(context: CliContext, id: string, command: string[], options: ExecOptions): Promise<void> {
  const { interactive = false, tty = false } = options;
  const streams = processStreams();
  if (interactive && tty && !streams.isTerminal) {
    throw new CliError('stdin is no terminal', { next: 'leave out -t to pass on what is piped in', exitCode: 2 });
  }
  const task = await findTask(context, id);
  checkTask(task, options.container);
  const { session } = await context.ecs().send(
    new ExecuteCommandCommand({
      cluster: context.cluster,
      task: task.taskArn ?? id,
      command: joinWords(command.length === 0 ? defaultCommand : command),
      interactive,
      ...(options.container === undefined ? {} : { container: options.container }),
    }),
  );
  const url = streamUrl(session?.streamUrl ?? '', context.endpoint().url);
  const { signal, clock } = context;
  const { term } = context.environment;
  try {
    context.exitCode = await runExec({
      connect: (handlers) => connectExec({ url, handlers, signal }),
      token: session?.tokenValue ?? '',
      interactive,
      ...(tty ? { terminal: term === undefined ? {} : { name: term } } : {}),
      streams,
      clock,
      signal,
    });
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    context.exitCode = isReaderGone(error) ? readerGoneExitCode : interruptedExitCode;
  }
}

function checkTask(task: Task, container: string | undefined): void {
  const id = shortId(task.taskArn) ?? '';
  if (task.lastStatus !== 'RUNNING') {
    throw new CliError(`task ${id} does not run: it is ${task.lastStatus}`, { next: `see \`berth task show ${id}\`` });
  }
  if (task.enableExecuteCommand !== true) {
    throw new CliError(`task ${id} was not started with execute command enabled`, {
      next:
        'start one with `berth run … --enable-execute-command`, or roll its service with ' +
        '`berth service update <name> --enable-execute-command --force-new-deployment`',
    });
  }
  const names = (task.containers ?? []).flatMap(({ name }) => name ?? []);
  if (container === undefined ? names.length === 1 : names.includes(container)) return;
  throw new CliError(
    container === undefined ? `task ${id} has several containers` : `task ${id} has no container ${container}`,
    { next: `choose one with -c; it has: ${names.join(', ')}` },
  );
}

/** A proxy may have taken the request in over TLS without saying so: the stream is never less protected than the request was. */
function streamUrl(url: string, endpoint: string): string {
  return endpoint.startsWith('https:') ? url.replace(/^ws:/, 'wss:') : url;
}

function isReaderGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
