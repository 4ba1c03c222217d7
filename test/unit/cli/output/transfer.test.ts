/** What a person sees of something large on its way. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { withProgress } from '#cli/output/transfer.ts';
import { fakeTerminal } from '#test/support/fake-terminal.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const mebibyte = Buffer.alloc(1024 * 1024);

it('tells every ten seconds how much has come where lines cannot be redrawn', async () => {
  const [clock, terminal, body] = [new ManualClock(), fakeTerminal(), new PassThrough({ highWaterMark: 2 ** 22 })];
  const chunks = withProgress({ clock, terminal }, 'all of it', body);
  for (const seconds of [4, 7, 1]) {
    body.write(mebibyte);
    await chunks.next();
    await clock.advance(seconds * 1000);
  }
  body.end();
  expect((await chunks.next()).done).toBe(true);
  expect(terminal.notes).toBe('all of it: 2.0 MiB so far\n');
});

it('ends when nothing comes for a minute, and lets go of the connection', async () => {
  const [clock, body] = [new ManualClock(), new PassThrough()];
  const next = withProgress({ clock, terminal: fakeTerminal() }, 'the backup', body).next();
  const refused = expect(next).rejects.toThrow('more of the backup');
  await clock.advance(60_000);
  await refused;
  expect(body.destroyed).toBe(true);
});
