/** Something large on its way here: how much of it has come, and an end when nothing comes any more. */
import type { Readable } from 'node:stream';
import { deadline } from '#lib/clock.ts';
import type { CliContext } from '../context.ts';
import { createProgress } from './progress.ts';

const stallTimeoutMs = 60_000;
const mebibyte = 1024 * 1024;

/** The chunks of `body`, which is destroyed when they are no longer read. Rejects with a TimeoutError when nothing comes for a minute. */
export async function* withProgress(
  { clock, terminal }: Pick<CliContext, 'clock' | 'terminal'>,
  what: string,
  body: Readable,
): AsyncGenerator<Buffer> {
  const progress = createProgress(terminal);
  const everyMs = terminal.isInteractive ? 200 : 10_000;
  const chunks = body.iterator();
  let bytes = 0;
  try {
    for (let toldAt = clock.elapsed(); ;) {
      const next = await deadline(clock, stallTimeoutMs, `more of ${what}`, chunks.next());
      if (next.done === true) return;
      bytes += next.value.length;
      yield next.value;
      if (clock.elapsed() - toldAt < everyMs) continue;
      toldAt = clock.elapsed();
      progress.show([{ key: what, text: `${what}: ${(bytes / mebibyte).toFixed(1)} MiB so far` }]);
    }
  } finally {
    progress.end();
    body.destroy();
  }
}
