/** Serving logs to control. docs/session.md S12. */
import { expect, it } from 'vitest';
import { serveAgentSession } from '#test/support/agent-session-under-test.ts';
import type { LogSourceRequest } from '#agent/session/log-streams.ts';
import type { LogEntry, LogsOpen } from '#protocol/session/messages.ts';

const open: LogsOpen = {
  type: 'logsOpen',
  streamId: 's1',
  taskArn: 'arn:1',
  containerName: 'main',
  follow: true,
  credit: 5,
};

function manyEntries(count: number, taken: { count: number }) {
  return async function* entries(): AsyncGenerator<LogEntry> {
    for (let index = 0; index < count; index++) {
      taken.count += 1;
      yield { stream: 'stdout', at: index, text: `line ${index}` };
    }
  };
}

it('sends no more than there is credit for, and takes no more from the source', async () => {
  const taken = { count: 0 };
  const { control, clock } = await serveAgentSession({ logs: { open: manyEntries(12, taken) } });
  control.send(open);
  await clock.advance(1000);
  const sent = () => control.all('logEntries').flatMap(({ entries }) => entries);
  expect(sent()).toHaveLength(5);
  expect(taken.count).toBe(6);
  control.send({ type: 'logsCredit', streamId: 's1', credit: 100 });
  await clock.advance(1000);
  expect(sent().map(({ text }) => text)).toEqual(Array.from({ length: 12 }, (_, index) => `line ${index}`));
  expect(control.last('logEntries')?.ended).toEqual({});
});

it('tells why there is nothing to read', async () => {
  const { control, clock } = await serveAgentSession();
  control.send(open);
  await clock.advance(0);
  expect(control.last('logEntries')).toMatchObject({ streamId: 's1', entries: [], ended: { error: 'no logs here' } });
});

it('lets go of the source when the reader goes, and when the session ends', async () => {
  const signals: AbortSignal[] = [];
  const { control, clock } = await serveAgentSession({
    logs: {
      async *open({ signal }: LogSourceRequest): AsyncGenerator<LogEntry> {
        signals.push(signal);
        yield { stream: 'stdout', at: 0, text: 'x' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    },
  });
  control.send(open);
  control.send({ ...open, streamId: 's2' });
  await clock.advance(100);
  control.send({ type: 'logsClose', streamId: 's1' });
  await clock.advance(0);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  control.network.current?.cut();
  await clock.advance(0);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

it('cuts an endless line into entries of 16 KiB', async () => {
  const { control, clock } = await serveAgentSession({
    logs: {
      async *open(): AsyncGenerator<LogEntry> {
        await Promise.resolve();
        yield { stream: 'stderr', at: 0, text: 'x'.repeat(40_000) };
      },
    },
  });
  control.send(open);
  await clock.advance(100);
  const lengths = control.all('logEntries').flatMap(({ entries }) => entries.map(({ text }) => text.length));
  expect(lengths).toEqual([16_384, 16_384, 7232]);
});
