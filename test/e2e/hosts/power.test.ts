/**
 * Three real hosts that lose their power: a service is spread over them, the tasks of the lost one move within the lost-after time, and what comes back is
 * taken up again. Silence is noticed after three heartbeats; both times are a sixth of what they are by default (5 s, 10 s).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { openFleet, type Fleet } from '#test/support/hosts/fleet.ts';
import { countsByHost, instanceOf, startWeb, undisturbed, untilConverged, web } from '#test/support/hosts/service.ts';
import { measured } from '#test/support/measured.ts';
import { eventually } from '#test/support/real-cell.ts';

const heartbeatSeconds = 5 / 3;
const lostAfterSeconds = 10;
const silentSeconds = 3 * heartbeatSeconds;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await openFleet({
    hosts: 3,
    control: { BERTH_HEARTBEAT_INTERVAL: heartbeatSeconds.toFixed(3), BERTH_LOST_AFTER: String(lostAfterSeconds) },
  });
});
afterAll(() => fleet.close());

describe('a service of six on three hosts', () => {
  it('is spread evenly over them', async () => {
    await startWeb(fleet, 6);
    expect(countsByHost(await untilConverged(fleet))).toEqual({ 'host-1': 2, 'host-2': 2, 'host-3': 2 });
  });

  it('has its tasks moved within the lost-after time when a host loses its power, and the others’ go on', async () => {
    const [first, second, lost] = fleet.hosts;
    const before = (await fleet.running()).filter(({ host }) => host !== lost?.name);
    const instance = await instanceOf(fleet, lost?.name ?? '');
    const offAt = systemClock.now();
    await lost?.powerOff();
    await eventually('its silence', async () => (await fleet.connectedAgents()) === 2);
    measured('power off: the agent is not connected', systemClock.now() - offAt);

    const moved = await eventually('six on the other two', async () => {
      const running = [...((await first?.running()) ?? []), ...((await second?.running()) ?? [])];
      return running.length === 6 && running;
    });
    const seconds = measured('power off: its tasks run elsewhere', systemClock.now() - offAt);
    expect(seconds).toBeGreaterThan(lostAfterSeconds);
    expect(seconds).toBeLessThan(silentSeconds + lostAfterSeconds + 10);
    expect(countsByHost(moved)).toEqual({ 'host-1': 3, 'host-2': 3 });
    expect(undisturbed(before, moved)).toEqual(before);
    expect(instance.status).toBe('ACTIVE');

    const onAt = systemClock.now();
    await lost?.powerOn();
    const after = await untilConverged(fleet);
    measured('power on: its agent is connected and the service at rest', systemClock.now() - onAt);
    expect(undisturbed(moved, after)).toEqual(moved);
    expect((await instanceOf(fleet, lost?.name ?? '')).containerInstanceArn).toBe(instance.containerInstanceArn);
  });

  it('runs whole again when all hosts lost their power together', async () => {
    const before = await fleet.running();
    const offAt = systemClock.now();
    await Promise.all(fleet.hosts.map((host) => host.powerOff()));
    await Promise.all(fleet.hosts.map((host) => host.powerOn()));
    const after = await untilConverged(fleet, 120_000);
    measured('power cut of all hosts: the service is whole again', systemClock.now() - offAt);
    expect(undisturbed(before, after)).toEqual([]);
    expect((await fleet.service(web)).deployments).toMatchObject([{ rolloutState: 'COMPLETED' }]);
  });

  it('is whole again after a reboot in order, and the others’ tasks go on', async () => {
    const before = await fleet.running();
    const rebootAt = systemClock.now();
    await fleet.hosts[0]?.reboot();
    const after = await untilConverged(fleet);
    measured('reboot in order: the service is whole again', systemClock.now() - rebootAt);
    const others = before.filter(({ host }) => host !== 'host-1');
    expect(undisturbed(others, after)).toEqual(others);
  });
});
