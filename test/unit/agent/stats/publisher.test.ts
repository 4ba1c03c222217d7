import { describe, expect, it } from 'vitest';
import { createPublisher } from '#agent/stats/publisher.ts';
import type { UsageWindow } from '#agent/stats/sampler.ts';
import { telemetryMessages } from '#agent/stats/telemetry-messages.ts';
import { parseAgentMessage } from '#protocol/session/messages.ts';
import { maximumTelemetryBytes, type MetricSets, type Telemetry } from '#protocol/session/telemetry.ts';
import { anAgentTask, someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const metrics: MetricSets = { memoryBytes: { min: 1, max: 2, sum: 3, sampleCount: 2 } };

function aWindow(tasks: number, changes: Partial<UsageWindow> = {}): UsageWindow {
  const containers = Array.from({ length: tasks }, (_, n) => anAgentTask({ taskArn: `${someTaskArn}${n}` })).flatMap(
    (task) => task.containers.map((container) => ({ task, container, metrics })),
  );
  return { from: 0, to: 20_000, instance: {}, containers, ...changes };
}

describe('a window as messages', () => {
  it('has at most ten tasks in each, and the last one says so', () => {
    const messages = telemetryMessages(aWindow(25));
    expect(messages.map(({ tasks, fin }) => [tasks.length, fin])).toEqual([
      [10, false],
      [10, false],
      [5, true],
    ]);
    for (const message of messages) expect(parseAgentMessage(JSON.stringify(message)).ok).toBe(true);
  });

  it('stays below the limit of a message', () => {
    const [message] = telemetryMessages(aWindow(1));
    const oneTask = JSON.stringify(message?.tasks[0]).length;
    const messages = telemetryMessages(aWindow(6), 8192 + 2 * oneTask + 10);
    expect(messages.map(({ tasks }) => tasks.length)).toEqual([2, 2, 2]);
    expect(JSON.stringify(messages[0]).length).toBeLessThan(maximumTelemetryBytes);
  });

  it('is sent from an idle machine too', () => {
    expect(telemetryMessages(aWindow(0))).toMatchObject([{ tasks: [], idle: true, fin: true }]);
  });
});

describe('publishing', () => {
  function aPublisher() {
    const clock = new ManualClock();
    const sent: Telemetry[] = [];
    const link = { up: true };
    const sampler = { takeWindow: () => aWindow(1, { to: clock.now() }) };
    const send = (message: Telemetry): boolean => link.up && sent.push(message) > 0;
    const publisher = createPublisher({ sampler, send, clock, everyMs: 20_000 });
    publisher.start();
    return { clock, sent, link, publisher };
  }

  it('happens every 20 s', async () => {
    const { clock, sent, publisher } = aPublisher();
    await clock.advance(60_000);
    expect(sent).toHaveLength(3);
    publisher.stop();
  });

  it('makes up for a short silence, oldest first, and never for more than 15 messages or five minutes', async () => {
    const { clock, sent, link, publisher } = aPublisher();
    link.up = false;
    await clock.advance(60 * 60_000);
    const endOfSilence = clock.now();
    link.up = true;
    await clock.advance(20_000);
    expect(sent.length).toBeLessThanOrEqual(16);
    expect(sent.length).toBeGreaterThan(10);
    for (const { to } of sent) expect(to).toBeGreaterThanOrEqual(endOfSilence - 5 * 60_000);
    expect(sent.map(({ to }) => to)).toEqual(sent.map(({ to }) => to).toSorted((a, b) => a - b));
    publisher.stop();
  });
});
