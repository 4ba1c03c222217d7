/** GPUs from the driver's ids to the engine's request: whole devices, each to one container. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBody } from '#agent/engine/docker-spec.ts';
import { readGpuIds } from '#agent/host/gpus.ts';
import type { AgentTask } from '#agent/tasks/agent-task.ts';
import { containerSpec } from '#agent/tasks/container-config.ts';
import { anAgentTask, type AgentTaskChoices } from '#test/support/builders/an-agent-task.ts';

const gpus = (value: string) => [{ type: 'GPU' as const, value }];

function taskWithGpus(choices: AgentTaskChoices, ...gpuIds: string[]): AgentTask {
  const task = anAgentTask(choices);
  return { ...task, assignment: { ...task.assignment, gpuIds } };
}

const containers = [
  { name: 'one', resourceRequirements: gpus('1') },
  { name: 'none' },
  { name: 'two', resourceRequirements: gpus('2') },
];

function requests(task: AgentTask) {
  return task.containers.map(
    ({ name }) => createBody(containerSpec(task, name, 'm')).HostConfig?.DeviceRequests?.[0]?.DeviceIDs,
  );
}

describe('the GPUs of a task', () => {
  it('go to its containers in order, by id, and to no other', () => {
    expect(requests(taskWithGpus({ containers }, 'a', 'b', 'c'))).toEqual([['a'], undefined, ['b', 'c']]);
  });

  it('are as many as an override says', () => {
    const overrides = { containerOverrides: [{ name: 'one', resourceRequirements: gpus('2') }] };
    expect(requests(taskWithGpus({ containers, overrides }, 'a', 'b', 'c', 'd'))).toEqual([
      ['a', 'b'],
      undefined,
      ['c', 'd'],
    ]);
  });
});

describe('the GPUs of a machine', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-gpu-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function program(script: string): Promise<string> {
    const path = join(folder, 'smi');
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  }

  it('are those its driver names', async () => {
    expect(await readGpuIds(await program('echo GPU-1; echo GPU-2'))).toEqual(['GPU-1', 'GPU-2']);
  });

  it('are none where there is no driver', async () => {
    expect(await readGpuIds(join(folder, 'no-such-program'))).toEqual([]);
  });

  it('are not concluded from a driver that fails', async () => {
    await expect(readGpuIds(await program('exit 9'))).rejects.toThrow('Command failed');
  });
});
