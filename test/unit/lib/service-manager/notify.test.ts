import { describe, expect, it } from 'vitest';
import { silentLogger } from '#lib/logger.ts';
import { readNotifySettings } from '#lib/service-manager/config.ts';
import { createServiceManager, type NotifySettings } from '#lib/service-manager/notify.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

function aService(settings: NotifySettings | undefined) {
  const clock = new ManualClock();
  const sent: string[] = [];
  const warnings: string[] = [];
  let isBroken = false;
  const manager = createServiceManager({
    settings,
    clock,
    logger: { ...silentLogger, warn: (_, message) => warnings.push(message) },
    async send(assignments) {
      if (isBroken) throw new Error('no such socket');
      sent.push(assignments.join(' '));
    },
  });
  return { manager, clock, sent, warnings, break: () => (isBroken = true) };
}

describe('a service of systemd', () => {
  it('says that it is ready, and gives three signs of life in each period of the watchdog', async () => {
    const { manager, clock, sent } = aService({ watchdogMs: 60_000 });

    manager.ready();
    expect(sent).toEqual(['READY=1']);
    await clock.advance(60_000);
    expect(sent).toEqual(['READY=1', 'WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  });

  it('gives no sign of life where no watchdog looks', async () => {
    const { manager, clock, sent } = aService({});

    manager.ready();
    await clock.advance(600_000);
    expect(sent).toEqual(['READY=1']);
  });

  it('says that it stops, and how long that may take', () => {
    const { manager, sent } = aService({});

    manager.stopping();
    manager.stopping(120_000);
    expect(sent).toEqual(['STOPPING=1', 'STOPPING=1 EXTEND_TIMEOUT_USEC=120000000']);
  });

  it('says nothing where nobody waits for news', async () => {
    const { manager, clock, sent } = aService(undefined);

    manager.ready();
    manager.stopping();
    await clock.advance(600_000);
    expect(sent).toEqual([]);
  });

  it('logs once that systemd could not be told, and goes on trying', async () => {
    const service = aService({ watchdogMs: 60_000 });
    service.break();

    service.manager.ready();
    await service.clock.advance(120_000);
    expect(service.warnings).toEqual(['systemd could not be told']);
  });
});

describe('what systemd tells a service', () => {
  it.each<[string, NodeJS.ProcessEnv, NotifySettings | undefined]>([
    ['no socket: nothing', { WATCHDOG_USEC: '60000000' }, undefined],
    ['a socket alone', { NOTIFY_SOCKET: '/run/systemd/notify' }, {}],
    ['a watchdog', { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '60000000' }, { watchdogMs: 60_000 }],
    ['its own watchdog', { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, { watchdogMs: 60_000 }],
    ["a parent's watchdog", { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, {}],
  ])('%s', (_, variables, expected) => {
    expect(readNotifySettings(variables, 7)).toEqual(expected);
  });
});
