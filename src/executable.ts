/**
 * Where the single executable begins (bin/build/executables.ts makes it): the files of dist/ lie inside it as assets and are loaded from there
 * when they are asked for, so that a daemon carries no code of another, as from dist/.
 *
 * V8 takes the flags of daemons only before it starts, and they void its code caches, Node's own included. So a daemon first replaces itself
 * by the same program with its flags, as the same process; the command line runs without flags, from code caches where the build could make them.
 * Flags given by `--node-options` are taken instead.
 */
import { getAsset, getAssetKeys, getRawAsset } from 'node:sea';
import { daemonEnvironment, daemonFlags } from '#lib/small-process.ts';
import { createModuleLoader } from '#lib/wrapped-modules.ts';

const args = process.argv.slice(2);
const [command] = args;

if ((command === 'agent' || command === 'control') && process.execArgv.length === 0) {
  const nodeOptions = `--node-options=${daemonFlags(command).join(' ')}`;
  process.execve?.(process.execPath, [process.execPath, nodeOptions, ...args], {
    ...process.env,
    ...daemonEnvironment,
  });
}

const assets = new Set(getAssetKeys());
const usesCaches = process.execArgv.length === 0;

createModuleLoader({
  source: (name) => getAsset(name, 'latin1'),
  codeCache: (name) =>
    usesCaches && assets.has(`${name}.cache`) ? Buffer.from(getRawAsset(`${name}.cache`)) : undefined,
}).load('main.js');
