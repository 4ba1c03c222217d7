/**
 * Texts that come with the program: the installer, the units of its services, the licences. They lie inside the executable, beside the built files in dist/, and,
 * where the sources run, in the clone.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getAsset, getAssetKeys, isSea } from 'node:sea';

/** Undefined when the program came without it. `script`: the file that Node runs. */
export function readShippedFile(name: string, script: string = process.argv[1] ?? ''): string | undefined {
  if (isSea()) return getAssetKeys().includes(name) ? getAsset(name, 'utf8') : undefined;
  const folder = dirname(script);
  const places = [folder, join(folder, '..'), join(folder, '../systemd')].map((place) => join(place, name));
  const file = places.find((place) => existsSync(place));
  return file === undefined ? undefined : readFileSync(file, 'utf8');
}

/**
 * The folder with the executables for machines that join: of an installed program (/opt/berth/versions/…) /opt/berth/dist, of any other
 * executable and of the built files the folder where they are; undefined where the sources run.
 */
export function distributionFolder(
  executable: string | undefined = isSea() ? process.execPath : undefined,
  script: string = process.argv[1] ?? '',
): string | undefined {
  const installed = /^(.+)\/versions\/[^/]+\/berth$/.exec(executable ?? '')?.[1];
  if (installed !== undefined) return join(installed, 'dist');
  if (executable !== undefined) return dirname(executable);
  return script.endsWith('/dist/main.js') ? dirname(script) : undefined;
}
