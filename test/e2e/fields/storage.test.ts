/** Fields that put files, memory and devices into a container, seen from inside. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegisterTaskDefinitionCommand, RunTaskCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemIds } from '#lib/ids.ts';
import { removeVolume } from '#test/support/docker-test-engine.ts';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { container, looking, runToEnd, type Ended } from './inside.ts';

const shared = `berth-test-${systemIds.hex(8)}`;
let cell: RealCell;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-volume-'));
  cell = await openRealCell({
    agent: { BERTH_EFS_FILE_SYSTEMS: JSON.stringify({ 'fs-known': '127.0.0.1:/export' }) },
  });
});
afterAll(async () => {
  await cell.close();
  await removeVolume(shared);
  await rm(folder, { recursive: true, force: true });
});

describe('volumes', () => {
  let ended: Ended;
  beforeAll(async () => {
    await writeFile(join(folder, 'from-host'), 'host');
    ended = await runToEnd(cell, {
      volumes: [
        { name: 'host', host: { sourcePath: folder } },
        { name: 'made', host: { sourcePath: join(folder, 'made', 'by', 'the-engine') } },
        { name: 'empty', host: {} },
        { name: 'bare' },
        { name: 'own', dockerVolumeConfiguration: { scope: 'task', labels: { team: 'shop' } } },
        {
          name: shared,
          dockerVolumeConfiguration: {
            scope: 'shared',
            autoprovision: true,
            driver: 'local',
            driverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=2m' },
            labels: { kept: 'yes' },
          },
        },
      ],
      containerDefinitions: [
        container('reader', {
          mountPoints: [
            { sourceVolume: 'host', containerPath: '/host', readOnly: true },
            { sourceVolume: 'empty', containerPath: '/empty' },
            { sourceVolume: 'bare', containerPath: '/bare' },
            { sourceVolume: 'own', containerPath: '/own', readOnly: true },
          ],
          dependsOn: [{ containerName: 'writer', condition: 'SUCCESS' }],
          command: looking({
            host: 'cat /host/from-host /host/from-writer',
            refused: 'echo x > /host/no; echo x > /own/no; ls /host/no || true',
            own: 'cat /own/file /empty/file /bare/file',
          }),
        }),
        container('writer', {
          essential: false,
          mountPoints: [
            { sourceVolume: 'host', containerPath: '/host' },
            { sourceVolume: 'made', containerPath: '/made' },
            { sourceVolume: 'empty', containerPath: '/empty' },
            { sourceVolume: 'bare', containerPath: '/bare' },
            { sourceVolume: 'own', containerPath: '/own' },
            { sourceVolume: shared, containerPath: '/shared' },
          ],
          command: looking({
            write: 'for at in host/from-writer own/file empty/file bare/file made/file; do echo $at > /$at; done',
            shared: 'df -m /shared | tail -n 1 | awk "{print \\$2}"; grep " /shared " /proc/mounts | cut -d" " -f3',
          }),
        }),
        container('heir', {
          essential: false,
          volumesFrom: [{ sourceContainer: 'writer', readOnly: true }],
          dependsOn: [{ containerName: 'writer', condition: 'SUCCESS' }],
          command: looking({ own: 'cat /own/file', refused: 'echo x > /own/no || true' }),
        }),
      ].map((one) => ({ ...one, essential: one.name === 'reader' })),
    });
  });

  it('of a host path show its files, are written through, and are read-only where it says so', async () => {
    expect(ended.said['reader']).toMatchObject({ host: 'hosthost/from-writer' });
    expect(ended.said['reader']?.['refused']?.match(/Read-only file system/g)).toHaveLength(2);
    expect(await readFile(join(folder, 'from-writer'), 'utf8')).toBe('host/from-writer\n');
  });

  it('make the folder of the host that is not there', async () => {
    expect(await readFile(join(folder, 'made/by/the-engine/file'), 'utf8')).toBe('made/file\n');
  });

  it('of the task are shared by its containers', () => {
    expect(ended.said['reader']?.['own']).toBe('own/file\nempty/file\nbare/file');
  });

  it('shared between tasks are made by their driver, with its options and labels, and outlive the task', async () => {
    expect(ended.said['writer']?.['shared']).toBe('2\ntmpfs');
    expect(await cell.engine.inspectVolume(shared)).toMatchObject({ driver: 'local', labels: { kept: 'yes' } });
    const name = `${shared}-second`;
    const { said } = await runToEnd(cell, {
      volumes: [{ name: shared, dockerVolumeConfiguration: { scope: 'shared' } }],
      containerDefinitions: [
        container(name, {
          mountPoints: [{ sourceVolume: shared, containerPath: '/shared' }],
          command: looking({ kind: 'grep " /shared " /proc/mounts | cut -d" " -f3' }),
        }),
      ],
    });
    expect(said[name]).toEqual({ kind: 'tmpfs' });
  });

  it('of another container are there, read-only where it says so', () => {
    expect(ended.said['heir']?.['own']).toBe('own/file');
    expect(ended.said['heir']?.['refused']).toContain('Read-only file system');
  });

  it('that should be there and are not end the task with the reason', async () => {
    const missing = `${shared}-missing`;
    const { task } = await runToEnd(cell, {
      volumes: [{ name: missing, dockerVolumeConfiguration: { scope: 'shared' } }],
      containerDefinitions: [container('app', { mountPoints: [{ sourceVolume: missing, containerPath: '/x' }] })],
    });
    expect(task.stopCode).toBe('TaskFailedToStart');
    expect(task.stoppedReason).toMatch(new RegExp(`^CannotCreateVolumeError: there is no volume ${missing}`));
  });
});

describe('a volume of a network file system', () => {
  it('is mounted by the engine from the server that the machine has for it', async () => {
    const { task } = await runToEnd(cell, {
      volumes: [{ name: 'efs', efsVolumeConfiguration: { fileSystemId: 'fs-known', rootDirectory: '/sub' } }],
      containerDefinitions: [container('app', { mountPoints: [{ sourceVolume: 'efs', containerPath: '/efs' }] })],
    });
    // Nothing serves there: what the engine could not mount shows what it was asked for.
    expect(task.stoppedReason).toMatch(
      /^CannotStartContainerError: .*failed to mount local volume: mount :\/export\/sub:.*addr=127\.0\.0\.1,nfsvers=4\.1/,
    );
  });

  it('is nowhere when no machine has a server for it', async () => {
    const definition = {
      volumes: [{ name: 'efs', efsVolumeConfiguration: { fileSystemId: 'fs-other' } }],
      containerDefinitions: [container('app', { mountPoints: [{ sourceVolume: 'efs', containerPath: '/efs' }] })],
    };
    await cell.ecs.send(new RegisterTaskDefinitionCommand({ family: 'nowhere', ...definition }));
    const { failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'nowhere' }));
    expect(failures?.[0]?.reason).toBe('ATTRIBUTE');
    expect(failures?.[0]?.detail).toContain('berth.efs.fs-other');
  });
});

describe('linuxParameters', () => {
  it('give memory file systems, shared memory and devices', async () => {
    const { said } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', {
          linuxParameters: {
            sharedMemorySize: 7,
            tmpfs: [
              { containerPath: '/scratch', size: 3, mountOptions: ['noexec', 'mode=1777'] },
              { containerPath: '/fixed', size: 1, mountOptions: ['ro'] },
            ],
            devices: [
              { hostPath: '/dev/loop-control', containerPath: '/dev/control', permissions: ['read'] },
              { hostPath: '/dev/kmsg' },
            ],
          },
          command: looking({
            shm: 'df -m /dev/shm | tail -n 1 | awk "{print \\$2}"',
            size: 'df -m /scratch | tail -n 1 | awk "{print \\$2}"',
            options: 'grep " /scratch " /proc/mounts',
            fixed: 'echo x > /fixed/x || true',
            device: 'ls -l /dev/control /dev/kmsg | cut -c1',
            allowed: 'cat /sys/fs/cgroup/devices/devices.list | grep -E "^c (10:237|1:11) " | sort',
          }),
        }),
      ],
    });
    expect(said['app']).toMatchObject({
      shm: '7',
      size: '3',
      options: expect.stringMatching(/tmpfs rw,.*noexec/),
      fixed: expect.stringContaining('Read-only file system'),
      device: 'c\nc',
    });
    expect(said['app']?.['allowed']).toContain('c 1:11 rwm');
  });
});
