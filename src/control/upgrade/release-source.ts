/** What agents can be updated to: the executables that this control service brings along, of its own version, signed as a whole by its authority. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import { platforms, type Platform, type Release, type ReleaseArtifact } from '#protocol/session/upgrade.ts';
import type { ReleaseSource } from '../sessions/agent-updates.ts';

export interface ReleaseSourceOptions {
  /** With the executables and SHA256SUMS; undefined where there are none. */
  readonly folder: string | undefined;
  /** The version that they say they are (versionOfBuild). */
  readonly version: string;
  /** Base64; undefined where this control service has no authority. */
  sign(text: string): string | undefined;
  readonly logger: Logger;
}

/** Reads the checksums anew each time: an installation may bring another platform's executable later. */
export function createReleaseSource({ folder, version, sign, logger }: ReleaseSourceOptions): ReleaseSource {
  return () => {
    if (folder === undefined) return undefined;
    try {
      const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8');
      const found = platforms.flatMap((platform) => {
        const artifact = artifactOf(folder, platform, sums);
        return artifact === undefined ? [] : [[platform, artifact] as const];
      });
      if (found.length === 0) return undefined;
      const release: Release = { version, artifacts: Object.fromEntries(found) };
      const text = JSON.stringify(release);
      const signature = sign(text);
      return { version, text, ...(signature === undefined ? {} : { signature }) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      logger.error({ error: messageOf(error), folder }, 'the executables for agents cannot be read');
      return undefined;
    }
  };
}

function artifactOf(folder: string, platform: Platform, sums: string): ReleaseArtifact | undefined {
  const name = `berth-${platform}`;
  const line = sums.split('\n').find((each) => each.endsWith(` ${name}`) || each.endsWith(`*${name}`));
  const sha256 = line?.slice(0, 64);
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  try {
    return { path: `/dist/${name}`, bytes: statSync(join(folder, name)).size, sha256 };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
