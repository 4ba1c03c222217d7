/** `berth task protect | unprotect`, and who is protected for how long. */
import { GetTaskProtectionCommand, UpdateTaskProtectionCommand, type Task } from '@aws-sdk/client-ecs';
import { InvalidArgumentError, type Command } from 'commander';
import { longestProtectionMinutes } from '#model/task-protection.ts';
import { printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { findTask } from '../lookup.ts';
import { parseDuration } from '../options.ts';
import { age } from '../output/table.ts';

export function addTaskProtectionCommands(task: Command, context: CliContext): void {
  task
    .command('protect')
    .description('keep a task of a service from scale-in and deployments; again to begin anew')
    .argument('<id>', 'ARN, id, or the beginning of the id')
    .option('--for <duration>', 'how long, such as 30m or 2h, at most 48h; 2h by default', parseMinutes)
    .action((id: string, options: { for?: number }) => changeProtection(context, id, { minutes: options.for }));
  task
    .command('unprotect')
    .description('end the protection of a task')
    .argument('<id>')
    .action((id: string) => changeProtection(context, id, undefined));
}

function parseMinutes(text: string): number {
  const minutes = Math.ceil(parseDuration(text) / 60_000);
  if (minutes >= 1 && minutes <= longestProtectionMinutes) return minutes;
  throw new InvalidArgumentError('expected a duration from 1m to 48h.');
}

async function changeProtection(
  context: CliContext,
  id: string,
  wish: { minutes: number | undefined } | undefined,
): Promise<void> {
  const { taskArn = id } = await findTask(context, id);
  const { protectedTasks: [changed] = [], failures: [failure] = [] } = await context.ecs().send(
    new UpdateTaskProtectionCommand({
      cluster: context.cluster,
      tasks: [taskArn],
      protectionEnabled: wish !== undefined,
      ...(wish?.minutes === undefined ? {} : { expiresInMinutes: wish.minutes }),
    }),
  );
  if (failure !== undefined) {
    throw new CliError(
      `${shortId(taskArn)}: ${failure.reason}${failure.detail === undefined ? '' : ` (${failure.detail})`}`,
      {
        next: 'only running tasks of services can be protected; see `berth task list`',
      },
    );
  }
  const until = changed?.expirationDate;
  printOne(context, changed, () =>
    until === undefined
      ? `${shortId(taskArn)} is not protected`
      : `${shortId(taskArn)} is protected for ${age(context.clock.now(), until.getTime())}`,
  );
}

/** When the protection ends, by the ARN of each task that has one now. */
export async function findProtections(context: CliContext, tasks: readonly Task[]): Promise<Map<string, Date>> {
  const arns = tasks
    .filter(({ group, lastStatus }) => group?.startsWith('service:') === true && lastStatus !== 'STOPPED')
    .flatMap(({ taskArn }) => taskArn ?? []);
  const found = new Map<string, Date>();
  for (let first = 0; first < arns.length; first += 100) {
    const { protectedTasks = [] } = await context
      .ecs()
      .send(new GetTaskProtectionCommand({ cluster: context.cluster, tasks: arns.slice(first, first + 100) }));
    for (const { taskArn, expirationDate } of protectedTasks) {
      if (taskArn !== undefined && expirationDate !== undefined) found.set(taskArn, expirationDate);
    }
  }
  return found;
}
