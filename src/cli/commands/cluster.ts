/** `berth cluster list | create | show | delete`. */
import {
  CreateClusterCommand,
  DeleteClusterCommand,
  DescribeClustersCommand,
  paginateListClusters,
  type CapacityProviderStrategyItem,
  type Cluster,
} from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { printJson, printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { renderFields } from '../output/table.ts';

export function addClusterCommands(program: Command, context: CliContext): void {
  const cluster = program
    .command('cluster')
    .description('the boundaries that services, tasks and container instances live in');
  cluster
    .command('list')
    .description('list clusters')
    .action(() => listClusters(context));
  cluster
    .command('create')
    .description('create a cluster')
    .argument('<name>')
    .action((name: string) => createCluster(context, name));
  cluster
    .command('show')
    .description('show one cluster')
    .argument('[name]')
    .action((name?: string) => showCluster(context, name ?? context.cluster));
  cluster
    .command('delete')
    .description('delete an empty cluster')
    .argument('<name>')
    .action((name: string) => deleteCluster(context, name));
}

async function describe(context: CliContext, names: readonly string[]): Promise<Cluster[]> {
  const answer = await context
    .ecs()
    .send(new DescribeClustersCommand({ clusters: [...names], include: ['STATISTICS', 'SETTINGS', 'TAGS'] }));
  return answer.clusters ?? [];
}

async function listClusters(context: CliContext): Promise<void> {
  const rows: Cluster[] = [];
  for await (const page of paginateListClusters({ client: context.ecs() }, {})) {
    if ((page.clusterArns ?? []).length > 0) rows.push(...(await describe(context, page.clusterArns ?? [])));
  }
  printList(context, {
    rows,
    empty: 'no clusters',
    columns: [
      { title: 'NAME', value: (row) => row.clusterName },
      { title: 'STATUS', value: (row) => row.status },
      { title: 'INSTANCES', value: (row) => row.registeredContainerInstancesCount },
      { title: 'SERVICES', value: (row) => row.activeServicesCount },
      { title: 'RUNNING', value: (row) => row.runningTasksCount },
      { title: 'PENDING', value: (row) => row.pendingTasksCount },
    ],
  });
}

async function createCluster(context: CliContext, name: string): Promise<void> {
  const { cluster } = await context.ecs().send(new CreateClusterCommand({ clusterName: name }));
  printOne(context, cluster, () => `cluster ${name} is ready; use it with --cluster ${name}`);
}

async function showCluster(context: CliContext, name: string): Promise<void> {
  const [cluster] = await describe(context, [name]);
  if (cluster === undefined) throw new CliError(`no cluster ${name}`, { next: 'see `berth cluster list`' });
  printOne(context, cluster, () =>
    renderFields([
      ['name', cluster.clusterName],
      ['arn', cluster.clusterArn],
      ['status', cluster.status],
      ['instances', cluster.registeredContainerInstancesCount],
      ['services', cluster.activeServicesCount],
      ['tasks running', cluster.runningTasksCount],
      ['tasks pending', cluster.pendingTasksCount],
      ['capacity providers', cluster.capacityProviders?.join(', ')],
      ['default strategy', cluster.defaultCapacityProviderStrategy?.map(shownStrategyItem).join(', ')],
    ]),
  );
}

function shownStrategyItem({ capacityProvider, weight = 0, base = 0 }: CapacityProviderStrategyItem): string {
  return `${capacityProvider} weight ${weight}${base === 0 ? '' : ` base ${base}`}`;
}

async function deleteCluster(context: CliContext, name: string): Promise<void> {
  const { cluster } = await context.ecs().send(new DeleteClusterCommand({ cluster: name }));
  if (context.output === 'json') printJson(context, cluster);
  else context.terminal.write(`cluster ${name} is deleted`);
}
