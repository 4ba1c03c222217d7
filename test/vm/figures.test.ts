/** What containers use by the files of cgroup v2, and a machine whose memory is short by the kernel's own count (PSI). */
import { DescribeContainerInstancesCommand, StopTaskCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { container, runUntil } from '../e2e/fields/inside.ts';
import { patiently } from './machine.ts';
import { openVmCell, type VmCell } from './vm-cell.ts';

const mebibyte = 2 ** 20;
let cell: VmCell;
beforeAll(async () => {
  cell = await openVmCell({ agent: { BERTH_MAXIMUM_MEMORY_STALL: '2', BERTH_STATS_INTERVAL: '2' } });
});
afterAll(() => cell.close());

/** Values of the series of one container by their names. */
async function figuresOf(name: string): Promise<Map<string, number>> {
  const text = await (await fetch(cell.metrics)).text();
  const lines = text.split('\n').filter((line) => line.includes(`container="${name}"`));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf('{')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

describe('a container that uses known amounts', () => {
  const work = [
    'dd if=/dev/zero of=/dev/shm/held bs=1M count=32 2>/dev/null',
    'dd if=/dev/zero of=/file bs=1M count=4 conv=fsync 2>/dev/null',
    'timeout 3 sh -c "while :; do :; done"',
    'exec sleep 3600',
  ].join('; ');

  it('is told as the kernel counts it', async () => {
    const task = await runUntil(cell, 'RUNNING', {
      containerDefinitions: [container('load', { memory: 96, command: ['sh', '-c', work] })],
    });
    const pid = await cell.machine.run(`docker inspect -f '{{.State.Pid}}' ${task.containers?.[0]?.runtimeId}`);
    const folder = `/sys/fs/cgroup${(await cell.machine.read(`/proc/${pid}/cgroup`)).slice('0::'.length)}`;
    await patiently('the end of the work', async () => (await cell.machine.read(`/proc/${pid}/comm`)) === 'sleep');
    const seconds = Number(await cell.machine.run(`sed -n 's/^usage_usec //p' ${folder}/cpu.stat`)) / 1e6;
    const figures = await patiently('figures of all of it', async () => {
      const seen = await figuresOf('load');
      return (seen.get('berth_container_cpu_seconds_total') ?? 0) >= seconds && seen;
    });

    expect(figures.get('berth_container_cpu_seconds_total')).toBeCloseTo(seconds, 1);
    expect(figures.get('berth_container_memory_limit_bytes')).toBe(96 * mebibyte);
    expect(figures.get('berth_container_memory_working_set_bytes')).toBeGreaterThan(32 * mebibyte);
    expect(figures.get('berth_container_memory_working_set_bytes')).toBeLessThan(40 * mebibyte);
    expect(figures.get('berth_container_block_write_bytes_total')).toBeGreaterThanOrEqual(4 * mebibyte);
    expect(figures.get('berth_container_processes')).toBe(1);
    await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
  });
});

describe('memory pressure', () => {
  /** More than a group may have at hand, read again and again: whoever is in it waits for memory nearly always. */
  const thrash = [
    'systemd-run --unit=thrash --collect -p MemoryMax=24M -p MemorySwapMax=0',
    `sh -c 'dd if=/dev/zero of=/var/tmp/thrash bs=1M count=96; while :; do cat /var/tmp/thrash >/dev/null; done'`,
  ].join(' ');

  it('makes the machine impaired, with the reason, until it is over', async () => {
    expect(await cell.machine.read('/proc/pressure/memory')).toMatch(/^full avg10=/m);
    expect((await memoryHealth())?.status).toBe('OK');
    await cell.machine.run(thrash);
    try {
      await patiently('pressure', async () => (await memoryHealth())?.status === 'IMPAIRED');
    } finally {
      await cell.machine.run('systemctl stop thrash; rm -f /var/tmp/thrash');
    }
    expect((await memoryHealth())?.statusReason).toMatch(/all programs waited for it in [\d.]+ % of the last minute/);
    await patiently('no pressure', async () => (await memoryHealth())?.status === 'OK');
  });

  async function memoryHealth() {
    const { containerInstanceArn = '' } = await cell.instance();
    const { containerInstances: [found] = [] } = await cell.ecs.send(
      new DescribeContainerInstancesCommand({
        containerInstances: [containerInstanceArn],
        include: ['CONTAINER_INSTANCE_HEALTH'],
      }),
    );
    return found?.healthStatus?.details?.find(({ type }) => String(type) === 'MEMORY_PRESSURE');
  }
});
