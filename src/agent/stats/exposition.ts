/**
 * The agent's figures in Prometheus' text format 0.0.4. Written here, because the library that control uses for it costs an agent a quarter of
 * its memory. One series per running container and metric; they end with the container. Pure.
 */
import { arnId } from '#model/arn.ts';
import type { Hello } from '#protocol/session/messages.ts';
import type { AgentTask } from '../tasks/agent-task.ts';
import type { HostReading } from './cgroup-reader.ts';
import { workingSetBytes } from './container-stats.ts';
import type { SampledContainer } from './sampler.ts';

export interface AgentFigures {
  readonly containers: readonly SampledContainer[];
  readonly tasks: readonly AgentTask[];
  readonly host: HostReading | undefined;
  readonly health: Hello['health'];
  readonly connected: boolean;
  readonly process: { readonly residentBytes: number; readonly cpuSeconds: number };
}

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly series: readonly { labels?: Labels; value: number }[];
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

export function exposition(figures: AgentFigures): string {
  const families = [...agentFamilies(figures), ...hostFamilies(figures.host), ...containerFamilies(figures.containers)];
  return families
    .filter(({ series }) => series.length > 0)
    .map(renderFamily)
    .join('');
}

function agentFamilies({ tasks, health, connected, process }: AgentFigures): Family[] {
  const counts = new Map([
    ['PENDING', 0],
    ['RUNNING', 0],
    ['STOPPED', 0],
  ]);
  for (const task of tasks) counts.set(statusOf(task), (counts.get(statusOf(task)) ?? 0) + 1);
  return [
    gauge('berth_agent_tasks', 'Tasks this agent keeps a record of.', countSeries(counts)),
    gauge('berth_agent_connected', '1 while there is a session with control.', [{ value: connected ? 1 : 0 }]),
    gauge('berth_agent_healthy', '1 while this check of the machine is good; 0 stops new tasks from coming.', [
      { labels: { check: 'overall' }, value: health.status === 'OK' ? 1 : 0 },
      ...(health.details ?? [])
        .filter(({ status }) => status !== 'INSUFFICIENT_DATA')
        .map(({ type, status }) => ({ labels: { check: type }, value: status === 'OK' ? 1 : 0 })),
    ]),
    gauge('process_resident_memory_bytes', 'Memory of the agent itself.', [{ value: process.residentBytes }]),
    counter('process_cpu_seconds_total', 'Processor time of the agent itself.', [{ value: process.cpuSeconds }]),
  ];
}

function countSeries(counts: ReadonlyMap<string, number>): Family['series'] {
  return [...counts].map(([status, value]) => ({ labels: { status }, value }));
}

function statusOf({ containers, stoppedAt, startedAt }: AgentTask): string {
  if (stoppedAt !== undefined || containers.every(({ phase }) => phase.name === 'STOPPED')) return 'STOPPED';
  return startedAt === undefined ? 'PENDING' : 'RUNNING';
}

function hostFamilies(host: HostReading | undefined): Family[] {
  if (host === undefined) return [];
  return [
    counter('berth_host_cpu_seconds_total', 'Processor time of the machine, all processors together.', [
      { labels: { mode: 'busy' }, value: (host.totalNs - host.idleNs) / 1e9 },
      { labels: { mode: 'idle' }, value: host.idleNs / 1e9 },
    ]),
    gauge('berth_host_memory_bytes', 'Memory of the machine.', [{ value: host.totalBytes }]),
    gauge('berth_host_memory_available_bytes', 'Memory that programs can still have without swapping.', [
      { value: host.availableBytes },
    ]),
  ];
}

function containerFamilies(containers: readonly SampledContainer[]): Family[] {
  const labelled = containers.map((sampled) => ({ sampled, labels: labelsOf(sampled) }));
  const each = (value: (sampled: SampledContainer) => number): Family['series'] =>
    labelled.map(({ sampled, labels }) => ({ labels, value: value(sampled) }));
  return [
    counter(
      'berth_container_cpu_seconds_total',
      'Processor time.',
      each(({ figures }) => figures.totals.cpuNs / 1e9),
    ),
    gauge(
      'berth_container_memory_working_set_bytes',
      'Memory without the page cache that can be dropped.',
      each(({ figures }) => workingSetBytes(figures.latest)),
    ),
    gauge(
      'berth_container_memory_limit_bytes',
      'The memory limit, or the memory of the machine.',
      each(({ figures }) => figures.latest.memory.limitBytes),
    ),
    counter(
      'berth_container_network_receive_bytes_total',
      'Bytes received.',
      each(({ figures }) => figures.totals.rxBytes),
    ),
    counter(
      'berth_container_network_transmit_bytes_total',
      'Bytes sent.',
      each(({ figures }) => figures.totals.txBytes),
    ),
    counter(
      'berth_container_network_receive_errors_total',
      'Packets received in error or dropped.',
      each(({ figures: { totals } }) => totals.rxErrors + totals.rxDropped),
    ),
    counter(
      'berth_container_network_transmit_errors_total',
      'Packets sent in error or dropped.',
      each(({ figures: { totals } }) => totals.txErrors + totals.txDropped),
    ),
    counter(
      'berth_container_block_read_bytes_total',
      'Bytes read from block devices.',
      each(({ figures }) => figures.totals.readBytes),
    ),
    counter(
      'berth_container_block_write_bytes_total',
      'Bytes written to block devices.',
      each(({ figures }) => figures.totals.writeBytes),
    ),
    gauge(
      'berth_container_processes',
      'Processes and threads.',
      each(({ figures }) => figures.latest.pids),
    ),
    counter(
      'berth_container_restarts_total',
      'Restarts by the restart policy.',
      each(({ container }) => container.restarts.count),
    ),
  ];
}

function labelsOf({ task: { assignment }, container }: SampledContainer): Labels {
  const { clusterName, serviceName, family, taskArn } = assignment;
  return {
    cluster: clusterName,
    ...(serviceName !== undefined && { service: serviceName }),
    family,
    task: arnId(taskArn),
    container: container.name,
  };
}

function gauge(name: string, help: string, series: Family['series']): Family {
  return { name, type: 'gauge', help, series };
}

function counter(name: string, help: string, series: Family['series']): Family {
  return { name, type: 'counter', help, series };
}

function renderFamily({ name, type, help, series }: Family): string {
  const lines = series.map(({ labels = {}, value }) => `${name}${renderLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function renderLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`);
}
