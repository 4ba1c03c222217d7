/**
 * Plants a bug in the program's source: a module loader hook replaces one piece of text in one file as it is loaded. It must be called before that file
 * is imported, in a thread of its own, since modules stay loaded.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

export interface SourceChange {
  /** From the root of the repository, e.g. `src/control/deployments/limits.ts`. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface PlantedBug {
  /** False until the file is loaded; a bug that is not there proves nothing when nothing is found. */
  readonly applied: boolean;
}

export const repositoryRoot = new URL('../../', import.meta.url);

export function plant(change: SourceChange): PlantedBug {
  const url = new URL(change.file, repositoryRoot).href;
  const planted = { applied: false };
  registerHooks({
    load(loaded, context, nextLoad) {
      const result = nextLoad(loaded, context);
      if (loaded !== url) return result;
      const source =
        typeof result.source === 'string' ? result.source : Buffer.from(sourceBytes(result.source)).toString();
      planted.applied = true;
      return { ...result, source: changedSource(source, change) };
    },
  });
  return planted;
}

/** Throws when the text is not there exactly once: the program has changed, and the bug has to be planted anew. */
export function changedSource(source: string, { file, find, replace }: SourceChange): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times, not once: ${find}`);
  return parts.join(replace);
}

export function pathOf({ file }: SourceChange): string {
  return fileURLToPath(new URL(file, repositoryRoot));
}

function sourceBytes(source: unknown): Uint8Array {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  throw new TypeError('a module was loaded without its source');
}
