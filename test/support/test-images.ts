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

/** The same, with a health check of its own that always fails. */
export const unwellImage = 'berth-test:unwell';

/** Builds the image unless the engine has it. */
export async function ensureTestImage(engine: DockerEngine): Promise<void> {
  if ((await engine.inspectImage(testImage)) === undefined) await buildImage(engine, testImage, []);
}

export async function buildUnwellImage(dockerHost: string): Promise<void> {
  await withEngine(dockerHost, (engine) =>
    buildImage(engine, unwellImage, ['HEALTHCHECK --interval=1s --timeout=1s --retries=1 CMD false']),
  );
}

export async function removeUnwellImage(dockerHost: string): Promise<void> {
  await withEngine(dockerHost, (engine) => engine.removeImage(unwellImage));
}

async function buildImage(engine: DockerEngine, name: string, changes: readonly string[]): Promise<void> {
  await access(busybox).catch((cause: unknown) => {
    throw new Error(`${busybox} is missing: apt-get install busybox-static`, { cause });
  });
  const [repository = '', tag = ''] = name.split(':');
  await engine.importImage(Readable.from(archiveOf(await testImageEntries())), {
    repository,
    tag,
    changes: ['CMD ["/bin/sh"]', 'ENV PATH=/bin', ...changes],
  });
}

/** The same for those who have only the engine's address. */
export async function buildTestImage(dockerHost: string): Promise<void> {
  await withEngine(dockerHost, ensureTestImage);
}

async function withEngine(dockerHost: string, work: (engine: DockerEngine) => Promise<void>): Promise<void> {
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  try {
    await work(engine);
  } finally {
    engine.close();
  }
}

/** What is in it. */
export async function testImageEntries(): Promise<ArchiveEntry[]> {
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
