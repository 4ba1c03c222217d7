/** The image that tests run: Debian's static busybox and nothing else, so that no test needs a registry. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { archiveOf, type ArchiveEntry } from '../../sample/archive.ts';

export const testImage = 'berth-test:busybox';

const busybox = '/bin/busybox';

/** Builds the image unless the engine has it. */
export async function ensureTestImage(engine: DockerEngine): Promise<void> {
  if ((await engine.inspectImage(testImage)) !== undefined) return;
  await access(busybox).catch((cause: unknown) => {
    throw new Error(`${busybox} is missing: apt-get install busybox-static`, { cause });
  });
  const [repository = '', tag = ''] = testImage.split(':');
  await engine.importImage(Readable.from(archiveOf(await fileSystem())), {
    repository,
    tag,
    changes: ['CMD ["/bin/sh"]', 'ENV PATH=/bin'],
  });
}

/** The same for those who have only the engine's address. */
export async function buildTestImage(dockerHost: string): Promise<void> {
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  try {
    await ensureTestImage(engine);
  } finally {
    engine.close();
  }
}

async function fileSystem(): Promise<ArchiveEntry[]> {
  const { stdout } = await promisify(execFile)(busybox, ['--list']);
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  return [
    { kind: 'folder', path: 'bin/', mode: 0o755 },
    { kind: 'copy', path: 'bin/busybox', mode: 0o755, from: busybox },
    ...applets.map((name): ArchiveEntry => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' })),
    { kind: 'folder', path: 'etc/', mode: 0o755 },
    {
      kind: 'file',
      path: 'etc/passwd',
      mode: 0o644,
      content: 'root:x:0:0:root:/:/bin/sh\nguest:x:1000:1000:guest:/:/bin/sh\n',
    },
    { kind: 'file', path: 'etc/group', mode: 0o644, content: 'root:x:0:\nguest:x:1000:\n' },
    { kind: 'folder', path: 'tmp/', mode: 0o1777 },
  ];
}
