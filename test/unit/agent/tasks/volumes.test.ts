/** Folders of network file systems, as the engine's own driver mounts them. */
import { describe, expect, it } from 'vitest';
import { nfsOptions } from '#agent/tasks/volumes.ts';
import { anAgentTask } from '#test/support/builders/an-agent-task.ts';

describe('a volume of EFS', () => {
  it('is a volume of the task that knows its folder', () => {
    const { volumes } = anAgentTask({
      containers: [{ name: 'app', mountPoints: [{ sourceVolume: 'efs', containerPath: '/efs' }] }],
      definition: { volumes: [{ name: 'efs', efsVolumeConfiguration: { fileSystemId: 'fs-1' } }] },
    });
    expect(volumes).toMatchObject([{ scope: 'task', driver: 'local', remote: { fileSystemId: 'fs-1', path: '/' } }]);
  });

  it.each([
    ['10.0.0.9:/', '/', ':/'],
    ['10.0.0.9:/export', '/', ':/export'],
    ['10.0.0.9:/export/', '/a/b', ':/export/a/b'],
    ['nas.example:/', 'a', ':/a'],
  ])('of %s with the root directory %s is %s there', (server, path, device) => {
    const options = nfsOptions(server, { fileSystemId: 'fs-1', path });
    expect(options).toMatchObject({ type: 'nfs', device });
    expect(options['o']).toMatch(new RegExp(`^addr=${server.split(':')[0]},nfsvers=4\\.1,`));
  });
});
