/** `berth capacity-provider create | list | show | delete`: names for groups of instances, in the cluster that is worked in. */
import {
  CreateCapacityProviderCommand,
  DeleteCapacityProviderCommand,
  DescribeCapacityProvidersCommand,
  DescribeClustersCommand,
  PutClusterCapacityProvidersCommand,
  type CapacityProvider,
  type Cluster,
  type ContainerInstance,
} from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { instanceGroupAttribute, instanceGroupOf } from '#model/capacity-provider.ts';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { listInstances } from '../lookup.ts';
import { renderFields } from '../output/table.ts';

export function addCapacityProviderCommands(program: Command, context: CliContext): void {
  const provider = program
    .command('capacity-provider')
    .description('named groups of container instances that tasks can be shared out to');
  provider
    .command('create')
    .description('name a group of instances, and let the cluster use it')
    .argument('<name>')
    .requiredOption('--group <group>', `what instances of it say in their attribute ${instanceGroupAttribute}`)
    .option('--managed-scaling', 'let tasks of `berth run` wait up to 15 minutes for room instead of failing')
    .action((name: string, options: { group: string; managedScaling?: boolean }) => create(context, name, options));
  provider
    .command('list')
    .description('list capacity providers, and which the cluster uses')
    .action(() => list(context));
  provider
    .command('show')
    .description('show one capacity provider and its instances')
    .argument('<name>')
    .action((name: string) => show(context, name));
  provider
    .command('delete')
    .description('take a capacity provider from the cluster and delete it; its instances stay')
    .argument('<name>')
    .action((name: string) => remove(context, name));
}

async function clusterOf(context: CliContext): Promise<Cluster> {
  const { clusters } = await context.ecs().send(new DescribeClustersCommand({ clusters: [context.cluster] }));
  const [cluster] = clusters ?? [];
  if (cluster === undefined) throw new CliError(`no cluster ${context.cluster}`, { next: 'see `berth cluster list`' });
  return cluster;
}

/** Replaces the cluster's list; items of its default strategy that leave the list leave the strategy. */
async function associate(context: CliContext, cluster: Cluster, names: readonly string[]): Promise<void> {
  const strategy = (cluster.defaultCapacityProviderStrategy ?? []).filter(({ capacityProvider }) =>
    names.includes(capacityProvider ?? ''),
  );
  await context.ecs().send(
    new PutClusterCapacityProvidersCommand({
      cluster: context.cluster,
      capacityProviders: [...names],
      defaultCapacityProviderStrategy: strategy,
    }),
  );
}

async function create(
  context: CliContext,
  name: string,
  { group, managedScaling = false }: { group: string; managedScaling?: boolean },
): Promise<void> {
  const cluster = await clusterOf(context);
  const { capacityProvider } = await context.ecs().send(
    new CreateCapacityProviderCommand({
      name,
      autoScalingGroupProvider: {
        autoScalingGroupArn: group,
        ...(managedScaling && { managedScaling: { status: 'ENABLED' } }),
      },
    }),
  );
  await associate(context, cluster, [...(cluster.capacityProviders ?? []), name]);
  printOne(
    context,
    capacityProvider,
    () =>
      `capacity provider ${name} means the instances with ${instanceGroupAttribute}=${group}; use it with ` +
      `\`berth run --capacity-provider-strategy ${name}\``,
  );
}

async function list(context: CliContext): Promise<void> {
  const cluster = await clusterOf(context);
  const rows: CapacityProvider[] = [];
  let nextToken: string | undefined;
  do {
    const page = await context.ecs().send(new DescribeCapacityProvidersCommand({ include: ['TAGS'], nextToken }));
    rows.push(...(page.capacityProviders ?? []));
    ({ nextToken } = page);
  } while (nextToken !== undefined);
  const used = (row: CapacityProvider): boolean => cluster.capacityProviders?.includes(row.name ?? '') === true;
  printList(context, {
    rows,
    empty: 'no capacity providers',
    columns: [
      { title: 'NAME', value: (row) => row.name },
      { title: 'GROUP', value: groupOf },
      { title: 'MANAGED SCALING', value: scalingOf },
      { title: 'IN CLUSTER', value: (row) => (used(row) ? context.cluster : undefined) },
    ],
  });
}

function groupOf({ autoScalingGroupProvider }: CapacityProvider): string | undefined {
  const arn = autoScalingGroupProvider?.autoScalingGroupArn;
  return arn === undefined ? undefined : instanceGroupOf({ autoScalingGroupArn: arn });
}

function scalingOf({ autoScalingGroupProvider }: CapacityProvider): string | undefined {
  return autoScalingGroupProvider?.managedScaling?.status;
}

async function show(context: CliContext, name: string): Promise<void> {
  const answer = await context
    .ecs()
    .send(new DescribeCapacityProvidersCommand({ capacityProviders: [name], include: ['TAGS'] }));
  const provider = answer.capacityProviders?.[0];
  if (provider === undefined) {
    throw new CliError(`no capacity provider ${name}`, { next: 'see `berth capacity-provider list`' });
  }
  const cluster = await clusterOf(context);
  const group = groupOf(provider);
  const instances = (await listInstances(context)).filter((instance) => isIn(instance, group));
  const item = cluster.defaultCapacityProviderStrategy?.find((each) => each.capacityProvider === provider.name);
  printOne(context, { ...provider, instances }, () =>
    renderFields([
      ['name', provider.name],
      ['arn', provider.capacityProviderArn],
      ['type', provider.type],
      ['group', group],
      ['managed scaling', scalingOf(provider)],
      ['in cluster', cluster.capacityProviders?.includes(provider.name ?? '') === true ? context.cluster : 'no'],
      ['default', item === undefined ? undefined : `weight ${item.weight ?? 0}, base ${item.base ?? 0}`],
      ['instances', group === undefined ? 'all that can run FARGATE tasks' : instances.map(shownInstance).join(', ')],
    ]),
  );
}

function isIn({ attributes = [] }: ContainerInstance, group: string | undefined): boolean {
  return group !== undefined && attributes.some((each) => each.name === instanceGroupAttribute && each.value === group);
}

function shownInstance({ containerInstanceArn, status }: ContainerInstance): string {
  return `${shortId(containerInstanceArn)?.slice(0, 12)} ${status}`;
}

async function remove(context: CliContext, name: string): Promise<void> {
  const cluster = await clusterOf(context);
  const names = cluster.capacityProviders ?? [];
  if (names.includes(name)) {
    await associate(
      context,
      cluster,
      names.filter((each) => each !== name),
    );
  }
  const { capacityProvider } = await context.ecs().send(new DeleteCapacityProviderCommand({ capacityProvider: name }));
  printOne(context, capacityProvider, () => `capacity provider ${name} is deleted; its instances go on`);
}
