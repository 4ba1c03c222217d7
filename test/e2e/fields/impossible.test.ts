/** What can be registered and cannot be run: the stop reason says what the engine or the kernel refused. */
import type { ContainerDefinition } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { container, runToEnd } from './inside.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

describe('a task fails to start and says why, for', () => {
  it.each<[string, Partial<ContainerDefinition>, RegExp]>([
    [
      'a capability nobody knows',
      { linuxParameters: { capabilities: { add: ['FLY'], drop: [] } } },
      /^CannotCreateContainerError: .*CAP_FLY/,
    ],
    [
      'a device that is not there',
      { linuxParameters: { devices: [{ hostPath: '/dev/no-such-device' }] } },
      /^CannotStartContainerError: .*\/dev\/no-such-device/,
    ],
    ['a user nobody knows', { user: 'nobody-knows' }, /^CannotStartContainerError: .*nobody-knows/],
    ['a program that is not there', { command: ['/no/such/program'] }, /^CannotStartContainerError: .*no such file/],
    [
      'a kernel setting that is not the container’s',
      { systemControls: [{ namespace: 'vm.overcommit_memory', value: '1' }] },
      /^Cannot(Create|Start)ContainerError: .*vm\.overcommit_memory/,
    ],
    [
      'a security option nobody knows',
      { dockerSecurityOptions: ['hat=tin'] },
      /^Cannot(Create|Start)ContainerError: .*hat/,
    ],
    [
      'an option that the log driver does not know',
      { logConfiguration: { logDriver: 'json-file', options: { colour: 'red' } } },
      /^CannotCreateContainerError: .*colour/,
    ],
    [
      'two things at one place',
      {
        linuxParameters: {
          tmpfs: [{ containerPath: '/data', size: 1 }],
        },
        mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }],
      },
      /^CannotCreateContainerError: .*Duplicate mount point: \/data/,
    ],
  ])('%s', async (_, changes, reason) => {
    const { task } = await runToEnd(cell, {
      volumes: [{ name: 'data' }],
      containerDefinitions: [container('app', changes)],
    });
    expect(task).toMatchObject({ stopCode: 'TaskFailedToStart', stoppedReason: expect.stringMatching(reason) });
    expect(task.containers?.[0]?.reason).toBe(task.stoppedReason);
  });
});
