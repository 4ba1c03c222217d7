/**
 * dist/berth-linux-x64 and dist/berth-linux-arm64: Node's single executables of the files in dist/, with the licences and, for this machine's platform,
 * V8's code cache of the command line. dist/berth is this machine's, SHA256SUMS has the checksums. Each appears whole or not at all.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { moduleWrapper } from '../../src/lib/wrapped-modules.ts';
import { bundleStart } from './bundle.ts';
import { shippedTexts } from './shipped-texts.ts';
import { ownPlatform, runtimeOf, type Platform, type Runtime } from './runtimes.ts';

const execute = promisify(execFile);

/** Symbols are a fifth of Node's size and help nobody on a host. Where no program for that platform's files is installed they stay. */
const strippers: Readonly<Record<Platform, readonly string[]>> = {
  'linux-x64': ['x86_64-linux-gnu-strip', 'strip'],
  'linux-arm64': ['aarch64-linux-gnu-strip', 'strip'],
};

/** `dist` holds a finished bundle. Answers a line for each executable: its name and size. */
export async function buildExecutables(root: string, dist: string, wanted: readonly Platform[]): Promise<string[]> {
  const work = `${dist}.${process.pid}.new`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  try {
    const start = join(work, 'start.js');
    await bundleStart(root, start);
    const modules = await wrapModules(dist, join(work, 'modules'));
    const texts = Object.fromEntries(shippedTexts(root).map((name) => [name, join(dist, name)]));
    const made: string[] = [];
    for (const platform of wanted) {
      const runtime = await runtimeOf(root, platform);
      const caches = platform === ownPlatform() ? await codeCaches(root, join(work, 'modules')) : {};
      const output = join(work, `berth-${platform}`);
      const node = await strippedCopy(runtime, platform, work);
      const assets = { ...modules, ...caches, ...texts };
      const config = join(work, `${platform}.json`);
      await writeFile(config, JSON.stringify(seaConfig(start, node, output, assets)));
      await execute(process.execPath, ['--build-sea', config], { maxBuffer: 1 << 24 });
      made.push(output);
    }
    return await publish(dist, made);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function seaConfig(main: string, executable: string, output: string, assets: Record<string, string>): object {
  return {
    main,
    executable,
    output,
    assets,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    // `--node-options`, by which a daemon gives itself its flags (src/executable.ts).
    execArgvExtension: 'cli',
  };
}

async function wrapModules(dist: string, folder: string): Promise<Record<string, string>> {
  await mkdir(folder);
  const names = (await readdir(dist)).filter((name) => name.endsWith('.js'));
  for (const name of names) {
    const text = await readFile(join(dist, name), 'utf8');
    await writeFile(join(folder, name), moduleWrapper.before + text + moduleWrapper.after);
  }
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}

/** Of what `berth --help` runs. V8 takes them under the same flags only, here as there: none. */
async function codeCaches(root: string, folder: string): Promise<Record<string, string>> {
  const maker = join(root, 'bin/build/code-cache.ts');
  await execute(process.execPath, [maker, folder, '--help']);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.cache'));
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}

async function strippedCopy({ node }: Runtime, platform: Platform, folder: string): Promise<string> {
  const copy = join(folder, `node-${platform}`);
  for (const program of strippers[platform]) {
    try {
      await execute(program, ['-o', copy, node]);
      return copy;
    } catch (error) {
      // Not installed, or for other files than these: the next, and in the end Node as it is.
      if (!(error instanceof Error)) throw error;
    }
  }
  await copyFile(node, copy);
  return copy;
}

/** Moves what was made to dist/ and renews the checksums of all that lie there. */
async function publish(dist: string, made: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const file of made) {
    const name = file.slice(file.lastIndexOf('/') + 1);
    await rename(file, join(dist, name));
    if (name === `berth-${ownPlatform()}`) {
      await link(join(dist, name), join(dist, `berth.${process.pid}`));
      await rename(join(dist, `berth.${process.pid}`), join(dist, 'berth'));
    }
  }
  const sums: string[] = [];
  for (const name of (await readdir(dist)).filter((entry) => entry.startsWith('berth-linux-')).toSorted()) {
    const content = await readFile(join(dist, name));
    sums.push(`${createHash('sha256').update(content).digest('hex')}  ${name}\n`);
    lines.push(`dist/${name}: ${(content.length / 1e6).toFixed(1)} MB`);
  }
  await writeFile(join(dist, `SHA256SUMS.${process.pid}`), sums.join(''));
  await rename(join(dist, `SHA256SUMS.${process.pid}`), join(dist, 'SHA256SUMS'));
  return lines;
}
