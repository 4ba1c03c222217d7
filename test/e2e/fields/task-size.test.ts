/** The cpu and memory of a task as a whole: what its containers may use together, on the real kernel. */
import { access } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { container, looking, runToEnd } from './inside.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell({ agent: { ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s' } });
});
afterAll(async () => {
  await cell.close();
});

const group = 'grep :memory: /proc/self/cgroup | cut -d: -f3';
const used = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage';

describe('cpu of a task', () => {
  it('is shared by its containers, and no more', async () => {
    const busy = looking({ work: 'timeout 3 sh -c "while :; do :; done"', used, group });
    const { said, task } = await runToEnd(cell, {
      cpu: '256',
      memory: '64',
      containerDefinitions: [
        container('one', { cpu: 0, essential: false, command: busy }),
        container('two', { cpu: 0, essential: false, command: busy }),
        container('keeps', { cpu: 0, memory: 16, command: ['sleep', '5'] }),
      ].map((one) => ({ ...one, memory: 16 })),
    });
    const seconds = [said['one'], said['two']].map((answers) => Number(answers?.['used']) / 1e9);
    expect(seconds[0]).toBeGreaterThan(0.1);
    expect((seconds[0] ?? 0) + (seconds[1] ?? 0)).toBeLessThan(3 * 0.25 * 1.5);
    const id = task.taskArn?.split('/').at(-1) ?? '';
    expect(said['one']?.['group']).toMatch(new RegExp(`^/ecs/${id}/[0-9a-f]{64}$`));
    await eventually('the group to be gone', async () => {
      const left = ['cpu', 'memory', 'pids'].map((one) => access(`/sys/fs/cgroup/${one}/ecs/${id}`));
      const found = await Promise.allSettled(left);
      if (found.some(({ status }) => status === 'fulfilled')) await setTimeout(100);
      return found.every(({ status }) => status === 'rejected');
    });
  });
});

describe('memory of a task', () => {
  it('is shared by its containers: who takes too much of it is killed, although no container is over its own limit', async () => {
    const take = 'dd if=/dev/zero of=/dev/shm/taken bs=1M count=20 2>/dev/null';
    const { exitCodes } = await runToEnd(cell, {
      memory: '32',
      containerDefinitions: [
        container('first', {
          memory: 30,
          memoryReservation: 6,
          essential: false,
          command: ['sh', '-c', `${take}; sleep 4`],
        }),
        container('second', { memory: 30, memoryReservation: 6, command: ['sh', '-c', `sleep 2; ${take}; exit $?`] }),
      ],
    });
    expect(Object.values(exitCodes)).toContain(137);
  });
});
