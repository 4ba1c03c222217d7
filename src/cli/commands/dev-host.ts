/** `berth dev host list | off | on | reboot | cut | mend`: faults of the hosts of `berth dev up --hosts N`. */
import { Argument, type Command } from 'commander';
import type { ContainerInstance } from '@aws-sdk/client-ecs';
import { printList, type CliContext } from '../context.ts';
import {
  doToHost,
  hostAttributes,
  hostsStatus,
  type HostFault,
  type Hosts,
  type HostStatus,
} from '../dev/hosts/cluster.ts';
import { hostsListen, machineListen } from '../dev/hosts/place.ts';
import { whileAlone } from '../dev/lock.ts';
import { devSettings } from '../dev/settings.ts';
import { readDevState } from '../dev/state.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { listInstances } from '../lookup.ts';
import type { Column } from '../output/table.ts';

const what: Readonly<Record<HostFault, { description: string; done: string }>> = {
  off: { description: 'take its power: all its processes are killed at once', done: 'is off' },
  on: { description: 'power it on', done: 'is on' },
  reboot: { description: 'shut it down in order and power it on', done: 'is on again' },
  cut: { description: 'pull its cable', done: 'is cut off' },
  mend: { description: 'plug its cable in again', done: 'is plugged in' },
};

export function addDevHostCommands(dev: Command, context: CliContext): void {
  const host = dev.command('host').description('the hosts of a cluster of several, and what may befall them');
  host
    .command('list')
    .description('list them, with their engines')
    .action(async () => printHosts(context, await hostsOfCluster(context)));
  for (const [fault, { description, done }] of Object.entries(what) as [HostFault, (typeof what)[HostFault]][]) {
    host
      .command(fault)
      .description(description)
      .addArgument(new Argument('<name>', 'such as host-2'))
      .action((name: string) =>
        whileAlone(context.environment.home, async () => {
          const hosts = await hostsOfCluster(context);
          const settings = devSettings(context.environment, {
            listen: machineListen(hosts.range),
            tlsListen: hostsListen(hosts.range),
          });
          await doToHost(context, { hosts, name, fault, settings });
          context.terminal.note(`${name} ${done}\n`);
        }),
      );
  }
}

async function hostsOfCluster(context: CliContext): Promise<Hosts> {
  const state = await readDevState(context.environment.home);
  if (state?.hosts !== undefined) return state.hosts;
  throw new CliError(
    state === undefined ? 'no development cluster runs here' : 'this cluster has no hosts of its own',
    {
      next: 'start one with `berth dev up --hosts 3`',
    },
  );
}

interface HostRow extends HostStatus {
  readonly instance: ContainerInstance | undefined;
}

const columns: readonly Column<HostRow>[] = [
  { title: 'HOST', value: (row) => row.name },
  { title: 'POWER', value: (row) => row.power },
  { title: 'CABLE', value: (row) => row.cable },
  { title: 'ADDRESS', value: (row) => row.address },
  { title: 'INSTANCE', value: ({ instance }) => shortId(instance?.containerInstanceArn) },
  { title: 'AGENT', value: ({ instance }) => instance && (instance.agentConnected === true ? 'connected' : 'silent') },
  { title: 'TASKS', value: ({ instance }) => instance?.runningTasksCount },
  { title: 'ENGINE', value: (row) => row.engine },
];

/** `instances`: unless control does not answer. */
export async function printHosts(context: CliContext, hosts: Hosts, isControlAlive = true): Promise<void> {
  const instances = isControlAlive ? await listInstances(context) : [];
  const rows = (await hostsStatus(context, hosts)).map((status) => ({
    ...status,
    instance: instances.find((instance) => attributeOf(instance, hostAttributes.name) === status.name),
  }));
  printList(context, { rows, columns, empty: 'no hosts' });
}

function attributeOf({ attributes = [] }: ContainerInstance, wanted: string): string | undefined {
  return attributes.find(({ name }) => name === wanted)?.value;
}
