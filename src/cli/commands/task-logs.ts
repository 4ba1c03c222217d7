/** `berth task logs [-f]`: what the containers print, from the engine through the agent's session, live. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Task } from '@aws-sdk/client-ecs';
import { z } from 'zod';
import { toIsoTime } from '#lib/iso-time.ts';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { findTask } from '../lookup.ts';
import { parseCount, parseDuration } from '../options.ts';
import { signedGet } from '../signed-fetch.ts';

interface LogsOptions {
  follow?: boolean;
  container?: string;
  tail?: number;
  since?: number;
  timestamps?: boolean;
}

export function addTaskLogsCommand(program: Command, context: CliContext): void {
  program.commands
    .find((command) => command.name() === 'task')
    ?.command('logs')
    .description('print what a task has written')
    .argument('<id>', 'ARN, id, or the beginning of the id')
    .option('-f, --follow', 'go on as more is written')
    .option('--container <name>', 'only this container')
    .option('--tail <lines>', 'only this many lines from the end', parseCount)
    .option('--since <duration>', 'only what is newer, e.g. 15m', parseDuration)
    .option('-t, --timestamps', 'print the time of each line')
    .action((id: string, options: LogsOptions) => printLogs(context, id, options));
}

const LogLine = z.object({ stream: z.enum(['stdout', 'stderr']), at: z.number(), text: z.string() });
const LastLine = z.object({ ended: z.object({ error: z.string().optional() }) });
const Refusal = z.object({ message: z.string() });

async function printLogs(context: CliContext, id: string, options: LogsOptions): Promise<void> {
  const task = await findTask(context, id);
  const names = containersOf(task, options.container);
  const width = Math.max(...names.map((name) => name.length));
  await Promise.all(
    names.map((name) =>
      streamContainer(context, task, name, options, names.length > 1 ? `${name.padEnd(width)} | ` : ''),
    ),
  );
}

function containersOf(task: Task, wanted: string | undefined): string[] {
  const names = (task.containers ?? []).flatMap((container) => container.name ?? []);
  if (wanted === undefined) return names;
  if (names.includes(wanted)) return [wanted];
  throw new CliError(`task ${shortId(task.taskArn)} has no container ${wanted}`, {
    next: `it has: ${names.join(', ')}`,
  });
}

async function streamContainer(
  context: CliContext,
  task: Task,
  container: string,
  options: LogsOptions,
  prefix: string,
): Promise<void> {
  const query = {
    task: task.taskArn ?? '',
    container,
    follow: String(options.follow === true),
    ...(options.tail === undefined ? {} : { tail: String(options.tail) }),
    ...(options.since === undefined ? {} : { since: String(context.clock.now() - options.since) }),
  };
  try {
    const response = await signedGet(context.endpoint(), '/berth/v1/logs', query, context.signal);
    if (!response.ok || response.body === null) throw await refusalOf(response, container);
    for await (const line of createInterface({ input: Readable.fromWeb(response.body) }))
      printLine(context, line, container, prefix, options);
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
}

async function refusalOf(response: Response, container: string): Promise<CliError> {
  const text = await response.text();
  const parsed = Refusal.safeParse(JSON.parse(text === '' ? '{}' : text));
  return new CliError(`no logs of ${container}: ${parsed.success ? parsed.data.message : `HTTP ${response.status}`}`, {
    next: 'logs live in the engine of the task’s instance: is its agent connected? see `berth instance list`',
  });
}

function printLine(context: CliContext, line: string, container: string, prefix: string, options: LogsOptions): void {
  const json: unknown = JSON.parse(line);
  const entry = LogLine.safeParse(json);
  if (entry.success) {
    if (context.output === 'json') return context.terminal.write(JSON.stringify({ container, ...entry.data }));
    const time = options.timestamps === true ? `${toIsoTime(entry.data.at)} ` : '';
    return context.terminal.write(`${prefix}${time}${entry.data.text.replace(/\n$/u, '')}`);
  }
  const last = LastLine.safeParse(json);
  if (last.success && last.data.ended.error !== undefined)
    throw new CliError(`logs of ${container} ended: ${last.data.ended.error}`);
}
