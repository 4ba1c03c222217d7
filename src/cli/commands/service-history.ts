/** `berth service deployments | rollback`: what was rolled out, and the way back to it. */
import {
  StopServiceDeploymentCommand,
  UpdateServiceCommand,
  type ServiceDeploymentBrief,
  type ServiceRevision,
} from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { countsOf, definitionName, shortId } from '../format.ts';
import { describeRevisions, findService, listRollouts } from '../lookup.ts';
import { withWait, type WaitOptions } from '../options.ts';
import { age } from '../output/table.ts';
import { waitForService } from '../wait.ts';

export function addServiceHistoryCommands(service: Command, context: CliContext): void {
  service
    .command('deployments')
    .description('list what was rolled out, newest first, and what became of it')
    .argument('<name>')
    .action((name: string) => showDeployments(context, name));
  withWait(
    service.command('rollback').description('stop the rollout under way and go back, or return to an earlier one'),
  )
    .argument('<name>')
    .option('--to <revision>', 'number of a revision, its beginning, or family:revision of a task definition')
    .action((name: string, options: RollbackOptions) => rollBack(context, name, options));
}

interface RollbackOptions extends WaitOptions {
  to?: string;
}

async function showDeployments(context: CliContext, name: string): Promise<void> {
  await findService(context, name);
  const rollouts = await listRollouts(context, name);
  const revisions = await describeRevisions(context, rollouts.map(targetOf));
  const now = context.clock.now();
  printList(context, {
    rows: rollouts,
    empty: `service ${name} has no deployments`,
    columns: [
      { title: 'REVISION', value: (row) => shortId(row.targetServiceRevisionArn) },
      { title: 'DEFINITION', value: (row) => definitionName(revisions.get(targetOf(row))?.taskDefinition) },
      { title: 'STATUS', value: (row) => row.status },
      { title: 'AGE', value: (row) => age(row.createdAt, now) },
      { title: 'TOOK', value: (row) => tookOf(row) },
      { title: 'WHY', value: (row) => (row.status === 'SUCCESSFUL' ? undefined : row.statusReason) },
    ],
  });
}

function targetOf({ targetServiceRevisionArn = '' }: ServiceDeploymentBrief): string {
  return targetServiceRevisionArn;
}

function tookOf({ createdAt, finishedAt }: ServiceDeploymentBrief): string | undefined {
  return finishedAt === undefined ? undefined : age(createdAt, finishedAt.getTime());
}

async function rollBack(context: CliContext, name: string, options: RollbackOptions): Promise<void> {
  const since = context.clock.now() - 1000;
  const rollouts = await listRollouts(context, name);
  const [newest] = rollouts;
  const isUnderWay = newest?.status === 'PENDING' || newest?.status === 'IN_PROGRESS';
  if (options.to === undefined && isUnderWay) {
    const serviceDeploymentArn = newest.serviceDeploymentArn;
    await context.ecs().send(new StopServiceDeploymentCommand({ serviceDeploymentArn, stopType: 'ROLLBACK' }));
    return settle(context, name, { ...options, since, rollout: serviceDeploymentArn, goesBack: true });
  }
  const revision = await wantedRevision(context, name, rollouts, options.to);
  const { taskDefinition, networkConfiguration } = revision;
  const { service } = await context.ecs().send(
    new UpdateServiceCommand({
      cluster: context.cluster,
      service: name,
      taskDefinition,
      ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    }),
  );
  await settle(context, name, { ...options, since, rollout: service?.currentServiceDeployment, goesBack: false });
}

/** What `--to` names, or the newest that completed and is not what the service was told last. */
async function wantedRevision(
  context: CliContext,
  name: string,
  rollouts: readonly ServiceDeploymentBrief[],
  wanted: string | undefined,
): Promise<ServiceRevision> {
  const revisions = await describeRevisions(context, rollouts.map(targetOf));
  const seeThem = `see \`berth service deployments ${name}\``;
  if (wanted === undefined) {
    const { taskDefinition } = await findService(context, name);
    const before = rollouts
      .filter(({ status }) => status === 'SUCCESSFUL')
      .map((rollout) => revisions.get(targetOf(rollout)))
      .find((revision) => revision !== undefined && revision.taskDefinition !== taskDefinition);
    if (before !== undefined) return before;
    throw new CliError(`no earlier deployment of ${name} with another task definition completed`, { next: seeThem });
  }
  const all = [...revisions.values()];
  const matches = wanted.includes(':')
    ? all.filter(
        (revision) => wanted === revision.serviceRevisionArn || definitionName(revision.taskDefinition) === wanted,
      )
    : all.filter((revision) => shortId(revision.serviceRevisionArn)?.startsWith(wanted) === true);
  const [first] = matches;
  if (first === undefined) throw new CliError(`service ${name} has no revision ${wanted}`, { next: seeThem });
  const isOne = wanted.includes(':') || matches.length === 1;
  if (isOne) return first;
  throw new CliError(`${matches.length} revisions of ${name} begin with ${wanted}`, {
    next: 'give more of the number',
  });
}

interface Settling extends WaitOptions {
  since: number;
  rollout: string | undefined;
  goesBack: boolean;
}

async function settle(context: CliContext, name: string, options: Settling): Promise<void> {
  const { wait, timeout, since, rollout, goesBack } = options;
  const service =
    wait === true
      ? await waitForService(context, name, { timeoutSeconds: timeout, eventsSince: since, rollout, goesBack })
      : await findService(context, name);
  const definition = definitionName(service.taskDefinition);
  printOne(context, service, () =>
    wait === true
      ? `${name} is back at ${definition}: ${countsOf(service)} running`
      : `${name} goes back; watch it with \`berth service show ${name}\``,
  );
}
