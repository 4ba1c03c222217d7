/** A Debian file tree by a recipe of trees/, built once and kept. Says on standard error what it builds. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Its folder; the tree itself is in `tree`. */
export async function debianTree(recipe: 'engine-26' | 'host' | 'vm'): Promise<string> {
  const building = promisify(execFile)('sh', [join(import.meta.dirname, 'debian-tree.sh'), recipe]);
  building.child.stderr?.pipe(process.stderr);
  return (await building).stdout.trim();
}
