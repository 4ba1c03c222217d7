/** What containers use, end to end: a container that uses known amounts, and what the agent's and control's metrics say about it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  CreateServiceCommand,
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '#test/support/processes.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

let cell: RealCell;
let metricsPort: number;
/** A file system of its own for the agent's state, so that it can be filled. */
let stateFolder: string;
beforeAll(async () => {
  metricsPort = await freePort();
  stateFolder = await mkdtemp(join(tmpdir(), 'berth-e2e-state-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', stateFolder]);
  cell = await openRealCell({
    agent: {
      BERTH_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
      BERTH_STATS_INTERVAL: '1',
      ECS_DATADIR: stateFolder,
    },
  });
  // Where a cell looks for what its agent keeps.
  await symlink(stateFolder, join(cell.folder, 'agent'));
});
afterAll(async () => {
  try {
    await cell.close();
  } finally {
    await run('umount', [stateFolder]);
    await rm(stateFolder, { recursive: true });
  }
});

type Samples = Map<string, number>;

/** Series with their labels to values; the labels of a container's series are left out when they are of `taskArn`. */
async function scrape(url: string, taskArn = 'none'): Promise<Samples> {
  const text = await (await fetch(url)).text();
  const taskId = taskArn.split('/').at(-1) ?? '';
  const samples: Samples = new Map();
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const space = line.lastIndexOf(' ');
    const series = line.slice(0, space);
    samples.set(series.includes(taskId) ? series.replace(/\{.*/, '') : series, Number(line.slice(space + 1)));
  }
  return samples;
}

const agentMetrics = (taskArn: string): Promise<Samples> => scrape(`http://127.0.0.1:${metricsPort}/metrics`, taskArn);

describe('a container that uses known amounts', () => {
  const program = [
    'timeout 2 sh -c "while :; do :; done"',
    'dd if=/dev/zero of=/dev/shm/held bs=1M count=32',
    'mkdir /www',
    'dd if=/dev/zero of=/www/file bs=1M count=1',
    'exec httpd -f -p 8080 -h /www',
  ].join('; ');
  let taskArn: string;
  let runtimeId: string;

  beforeAll(async () => {
    await cell.register('load', {
      command: ['sh', '-c', program],
      memory: 64,
      portMappings: [{ containerPort: 8080 }],
      linuxParameters: { initProcessEnabled: true },
    });
    await cell.ecs.send(new CreateServiceCommand({ serviceName: 'load', taskDefinition: 'load', desiredCount: 1 }));
    const served = await eventually('the file', async () => {
      const [task] = await cell.tasks({ serviceName: 'load' });
      const port = task?.containers?.[0]?.networkBindings?.[0]?.hostPort;
      if (task === undefined || port === undefined) return undefined;
      const { ok, arrayBuffer } = await fetchFile(port);
      return ok && (await arrayBuffer).byteLength === mebibyte && task;
    });
    taskArn = served.taskArn ?? '';
    runtimeId = served.containers?.[0]?.runtimeId ?? '';
  });

  async function fetchFile(port: number): Promise<{ ok: boolean; arrayBuffer: Promise<ArrayBuffer> }> {
    const response = await fetch(`http://127.0.0.1:${port}/file`);
    return { ok: response.ok, arrayBuffer: response.arrayBuffer() };
  }

  it('is told by the agent as it is', async () => {
    const samples = await eventually('the sent bytes', async () => {
      const seen = await agentMetrics(taskArn);
      return (seen.get('berth_container_network_transmit_bytes_total') ?? 0) >= mebibyte && seen;
    });
    const engineSays = await cell.engine.stats(runtimeId);

    expect(samples.get('berth_container_network_transmit_bytes_total')).toBeLessThan(1.2 * mebibyte);
    const cpuSeconds = samples.get('berth_container_cpu_seconds_total') ?? 0;
    expect(cpuSeconds).toBeGreaterThan(0.5);
    expect(Math.abs(cpuSeconds - (engineSays?.cpu.totalNs ?? 0) / 1e9)).toBeLessThan(0.2);
    const memory = samples.get('berth_container_memory_working_set_bytes') ?? 0;
    expect(memory).toBeGreaterThan(32 * mebibyte);
    expect(memory).toBeLessThan(40 * mebibyte);
    expect(samples.get('berth_container_memory_limit_bytes')).toBe(64 * mebibyte);
    expect(samples.get('berth_container_processes')).toBeGreaterThanOrEqual(2);
  });

  it('shows in control’s metrics as the use of its service, and of the cluster', async () => {
    const labels = '{cluster="default",service="load"}';
    const samples = await eventually('the use of the service', async () => {
      const seen = await scrape(`${cell.url}/metrics`);
      return (seen.get(`berth_service_memory_utilization_ratio${labels}`) ?? 0) > 0.4 && seen;
    });

    expect(samples.get(`berth_service_memory_utilization_ratio${labels}`)).toBeLessThan(0.7);
    expect(samples.get(`berth_service_reporting${labels}`)).toBe(1);
    expect(samples.get(`berth_service_telemetry_age_seconds${labels}`)).toBeLessThan(30);
    expect(samples.get('berth_cluster_memory_utilization_ratio{cluster="default"}')).toBeGreaterThan(0);
  });
});

describe('a machine whose disk is full', () => {
  async function health() {
    const { containerInstanceArns: containerInstances } = await cell.ecs.send(new ListContainerInstancesCommand({}));
    const { containerInstances: [instance] = [] } = await cell.ecs.send(
      new DescribeContainerInstancesCommand({ containerInstances, include: ['CONTAINER_INSTANCE_HEALTH'] }),
    );
    return instance?.healthStatus;
  }

  it('takes no new task, says why, and takes tasks again when there is room', async () => {
    await cell.register('plain', {});
    const filler = join(stateFolder, 'filler');
    await writeFile(filler, Buffer.alloc(31 * mebibyte));
    const impaired = await eventually('IMPAIRED', async () => {
      const seen = await health();
      return seen?.overallStatus === 'IMPAIRED' && seen;
    });
    const why = expect.stringContaining("the agent's disk is full");
    expect(impaired.details).toContainEqual(
      expect.objectContaining({ type: 'AGENT_DISK_PRESSURE', status: 'IMPAIRED', statusReason: why }),
    );
    expect(impaired.details).toContainEqual(expect.objectContaining({ type: 'CONTAINER_RUNTIME', status: 'OK' }));
    expect(impaired.details).toContainEqual(expect.objectContaining({ type: 'AGENT_CONNECTIVITY', status: 'OK' }));

    const { tasks, failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'plain' }));
    expect(tasks).toEqual([]);
    expect(failures).toEqual([expect.objectContaining({ detail: why })]);

    await rm(filler);
    await eventually('OK', async () => (await health())?.overallStatus === 'OK');
    const { tasks: [placed] = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'plain' }));
    await eventually('RUNNING', async () => (await cell.task(placed?.taskArn ?? '')).lastStatus === 'RUNNING');
  });
});
