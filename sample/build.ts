/**
 * Builds the sample image `berth-sample:1` out of what a clone has anyway: the project's own Node, the shared libraries it runs
 * on, and server.mjs. No registry, no internet, no package. Run as a program: node sample/build.ts [--remove], on
 * the engine that DOCKER_HOST names.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { systemClock } from '#lib/clock.ts';
import { archiveOf, type ArchiveEntry } from './archive.ts';

export const sampleImage = { repository: 'berth-sample', tag: '1' };

export interface BuildSampleOptions {
  dockerHost: string;
  log(line: string): void;
}

/** Says which server.mjs and which Node an image was built from. */
const editionLabel = 'berth.sample-edition';

const nobody = '65534:65534';

/** Leaves an image alone that was built from the same parts. Rejects with an EngineError. */
export async function buildSampleImage({ dockerHost, log }: BuildSampleOptions): Promise<void> {
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  const { repository, tag } = sampleImage;
  try {
    const server = await readFile(new URL('server.mjs', import.meta.url), 'utf8');
    const edition = editionOf(server);
    const present = await engine.inspectImage(`${repository}:${tag}`);
    if (present?.labels?.[editionLabel] === edition) {
      log(`${repository}:${tag} is there already`);
      return;
    }
    log(`building ${repository}:${tag} from server.mjs and Node ${process.versions.node}`);
    const entries = [...applicationEntries(server), ...(await runtimeEntries())];
    await engine.importImage(Readable.from(archiveOf(entries)), {
      repository,
      tag,
      changes: [
        'ENTRYPOINT ["/bin/node"]',
        'CMD ["/app/server.mjs"]',
        'WORKDIR /app',
        `USER ${nobody}`,
        'EXPOSE 8080',
        `LABEL ${editionLabel}=${edition}`,
      ],
    });
  } finally {
    engine.close();
  }
}

function editionOf(server: string): string {
  return createHash('sha256').update(`${process.version} ${process.arch}\n${server}`).digest('hex').slice(0, 16);
}

function applicationEntries(server: string): ArchiveEntry[] {
  return [
    { kind: 'folder', path: 'app/', mode: 0o755 },
    { kind: 'file', path: 'app/server.mjs', mode: 0o644, content: server },
    { kind: 'folder', path: 'tmp/', mode: 0o1777 },
  ];
}

/** This process's own program and the libraries that it has loaded, each where the loader will look for it. */
async function runtimeEntries(): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [{ kind: 'copy', path: 'bin/node', mode: 0o755, from: process.execPath }];
  for (const library of loadedLibraries()) {
    entries.push({ kind: 'copy', path: library.slice(1), mode: 0o755, from: await realpath(library) });
  }
  return entries;
}

/** The kernel's own (`linux-vdso`) is no file. */
function loadedLibraries(): string[] {
  const report: unknown = process.report.getReport();
  if (typeof report !== 'object' || report === null || !('sharedObjects' in report)) return [];
  const { sharedObjects } = report;
  return Array.isArray(sharedObjects)
    ? sharedObjects.filter((name): name is string => typeof name === 'string' && name.startsWith('/'))
    : [];
}

/** Takes the name off the engine; already gone is success. */
export async function removeSampleImage(dockerHost: string): Promise<void> {
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  try {
    await engine.removeImage(`${sampleImage.repository}:${sampleImage.tag}`);
  } finally {
    engine.close();
  }
}

if (import.meta.main) {
  const dockerHost = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  if (process.argv.includes('--remove')) await removeSampleImage(dockerHost);
  else await buildSampleImage({ dockerHost, log: (line) => void process.stdout.write(`${line}\n`) });
}
