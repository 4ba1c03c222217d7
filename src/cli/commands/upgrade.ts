/**
 * `berth upgrade`: brings agents to the version of the control service, one after the other, so that a version that does not work is found out on one
 * machine. Containers go on meanwhile; an agent that does not come up healthy goes back by itself.
 */
import { UpdateContainerAgentCommand, type ContainerInstance } from '@aws-sdk/client-ecs';
import { Option, type Command } from 'commander';
import { printList, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { findInstance, listInstances } from '../lookup.ts';
import { parsePositive } from '../options.ts';
import { waitForAgentUpdate } from '../wait.ts';

interface UpgradeOptions {
  all?: boolean;
  timeout: number;
}

interface Upgraded {
  containerInstanceArn: string | undefined;
  agentVersion: string | undefined;
  result: 'updated' | 'current';
}

export function addUpgradeCommand(program: Command, context: CliContext): void {
  program
    .command('upgrade')
    .description('bring agents to the version of the control service, one machine after the other')
    .argument('[id...]', 'container instances: ARN, id, or the beginning of the id')
    .addOption(new Option('--all', 'every instance of the cluster whose agent is connected'))
    .option('--timeout <seconds>', 'how long to wait for one agent', parsePositive, 1260)
    .action((ids: string[], options: UpgradeOptions) => upgrade(context, ids, options));
}

async function upgrade(context: CliContext, ids: readonly string[], options: UpgradeOptions): Promise<void> {
  if (ids.length > 0 === (options.all === true)) {
    throw new CliError('which agents? name container instances, or give --all', {
      next: 'see `berth instance list`',
      exitCode: 2,
    });
  }
  const chosen = options.all === true ? await connected(context) : await found(context, ids);
  const done: Upgraded[] = [];
  for (const instance of chosen) done.push(await upgradeOne(context, instance, options.timeout));
  printList(context, {
    rows: done,
    columns: [
      { title: 'INSTANCE', value: (row) => shortId(row.containerInstanceArn) },
      { title: 'AGENT', value: (row) => row.agentVersion },
      { title: 'RESULT', value: (row) => row.result },
    ],
    empty: 'no agent is connected',
  });
}

async function connected(context: CliContext): Promise<ContainerInstance[]> {
  return (await listInstances(context)).filter(({ agentConnected }) => agentConnected === true);
}

async function found(context: CliContext, ids: readonly string[]): Promise<ContainerInstance[]> {
  const instances: ContainerInstance[] = [];
  for (const id of ids) instances.push(await findInstance(context, id));
  return instances;
}

async function upgradeOne(context: CliContext, instance: ContainerInstance, timeout: number): Promise<Upgraded> {
  const { containerInstanceArn, versionInfo } = instance;
  try {
    const request = { cluster: context.cluster, containerInstance: containerInstanceArn };
    await context.ecs().send(new UpdateContainerAgentCommand(request));
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'NoUpdateAvailableException' && error instanceof Error && error.message.endsWith(' already.')) {
      return { containerInstanceArn, agentVersion: versionInfo?.agentVersion, result: 'current' };
    }
    // Somebody asked for it before: what follows is the same.
    if (name !== 'UpdateInProgressException') throw error;
  }
  const after = await waitForAgentUpdate(context, containerInstanceArn ?? '', timeout);
  return { containerInstanceArn, agentVersion: after.versionInfo?.agentVersion, result: 'updated' };
}
