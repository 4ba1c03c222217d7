/**
 * The program as install.sh lays it out: `versions/<version>/berth`, and `bin/berth`, a link to the one that runs next. While a new version has to prove
 * itself the file `trial` names both; systemd's guard (systemd/berth-guard), which is no part of the new version, goes back when it was started and did
 * not last. Each change is one rename, so that there is always a program to start.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { renameDurably, writeFileDurably } from '#lib/durable-file.ts';
import type { ReleaseArtifact } from '#protocol/session/upgrade.ts';

export interface Trial {
  readonly from: string;
  readonly to: string;
}

export interface Installation {
  /** Of the program that runs. */
  readonly version: string;
  /** Writes the executable of a version and checks it; rejects, and leaves nothing, when it is not what the release says. */
  stage(version: string, artifact: ReleaseArtifact, chunks: AsyncIterable<Uint8Array>): Promise<string>;
  /** What starts next is this version, on trial. */
  switchTo(version: string): void;
  trial(): Trial | undefined;
  /** The version on trial stays; older ones than it and the one before it are removed. */
  confirm(): void;
  /** What starts next is the version from before the trial. */
  goBack(): void;
}

/** What runs from somewhere else, a clone for instance, is not installed. `executable`: the path of the program that runs. */
export function findInstallation(executable: string): Installation | undefined {
  const [, root, version] = /^(.*)\/versions\/([^/]+)\/berth$/.exec(executable) ?? [];
  if (root === undefined || version === undefined || !existsSync(join(root, 'bin'))) return undefined;
  return installationIn(root, version);
}

function installationIn(root: string, version: string): Installation {
  const trialFile = join(root, 'trial');
  const folderOf = (each: string): string => join(root, 'versions', each);

  function link(to: string): void {
    const fresh = join(root, 'bin', 'berth.new');
    rmSync(fresh, { force: true });
    symlinkSync(`../versions/${to}/berth`, fresh);
    renameDurably(fresh, join(root, 'bin', 'berth'));
  }

  function trial(): Trial | undefined {
    if (!existsSync(trialFile)) return undefined;
    const text = readFileSync(trialFile, 'utf8');
    const from = /^from=(.+)$/m.exec(text)?.[1];
    const to = /^to=(.+)$/m.exec(text)?.[1];
    return from === undefined || to === undefined ? undefined : { from, to };
  }

  return {
    version,
    trial,
    async stage(wanted, artifact, chunks) {
      const draft = `${folderOf(wanted)}.new`;
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft, { recursive: true, mode: 0o755 });
      try {
        await write(join(draft, 'berth'), artifact, chunks);
        rmSync(folderOf(wanted), { recursive: true, force: true });
        renameDurably(draft, folderOf(wanted));
      } catch (error) {
        rmSync(draft, { recursive: true, force: true });
        throw error;
      }
      return join(folderOf(wanted), 'berth');
    },
    switchTo(wanted) {
      writeFileDurably(trialFile, `from=${version}\nto=${wanted}\nstarts=0\n`);
      link(wanted);
    },
    confirm() {
      const ended = trial();
      rmSync(trialFile, { force: true });
      const current = basename(dirname(readlinkSync(join(root, 'bin', 'berth'))));
      const kept = new Set([current, version, ended?.from]);
      for (const each of readdirSync(join(root, 'versions'))) {
        if (!kept.has(each)) rmSync(folderOf(each), { recursive: true, force: true });
      }
    },
    goBack() {
      const ended = trial();
      if (ended === undefined) return;
      link(ended.from);
      rmSync(trialFile, { force: true });
    },
  };
}

async function write(
  path: string,
  { bytes, sha256 }: ReleaseArtifact,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const hash = createHash('sha256');
  const file = createWriteStream(path, { mode: 0o700, flush: true });
  let written = 0;
  try {
    for await (const chunk of chunks) {
      written += chunk.byteLength;
      if (written > bytes) throw new Error(`it is longer than the ${bytes} bytes of the release`);
      hash.update(chunk);
      if (!file.write(chunk)) await once(file, 'drain');
    }
  } finally {
    file.end();
    await once(file, 'close');
  }
  if (written !== bytes) throw new Error(`it has ${written} of the ${bytes} bytes of the release`);
  const found = hash.digest('hex');
  if (found !== sha256) throw new Error(`its SHA-256 is ${found}, the release says ${sha256}`);
  chmodSync(path, 0o755);
}
