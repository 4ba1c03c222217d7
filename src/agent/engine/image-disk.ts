/** How full the disk is that holds the engine's images. */
import { statfs } from 'node:fs/promises';

/** Percent in use as `df` counts it; undefined when this machine has no such folder (an engine elsewhere, or one that hides it). */
export async function diskUsedPercent(folder: string): Promise<number | undefined> {
  try {
    const { blocks, bfree, bavail } = await statfs(folder);
    const used = blocks - bfree;
    return used + bavail === 0 ? undefined : (100 * used) / (used + bavail);
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'EACCES', 'ENOTDIR'].includes(String(error.code))) {
      return undefined;
    }
    throw error;
  }
}
