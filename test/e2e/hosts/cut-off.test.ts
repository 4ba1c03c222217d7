/**
 * Hosts that cannot be heard: for a moment, for a while, for too long, one way only, again and again. What runs goes on in all cases; what is lost is replaced
 * and settled when the host is back. Silence ends a session after three heartbeats (9 s here, 30 s by default), tasks are lost 30 s after that (60 s).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { openFleet, type Fleet } from '#test/support/hosts/fleet.ts';
import type { FleetHost, RunningContainer } from '#test/support/hosts/host.ts';
import { instanceOf, runsThere, startWeb, undisturbed, untilConverged, web } from '#test/support/hosts/service.ts';
import { measured } from '#test/support/measured.ts';
import { eventually } from '#test/support/real-cell.ts';

const heartbeatSeconds = 3;
/** Longer than the silence of the cases and the wait of an agent for its next try, which is as long again at most. */
const lostAfterSeconds = 30;
const tasks = 10;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await openFleet({
    hosts: 5,
    control: { BERTH_HEARTBEAT_INTERVAL: String(heartbeatSeconds), BERTH_LOST_AFTER: String(lostAfterSeconds) },
  });
  await startWeb(fleet, tasks);
});
afterAll(() => fleet.close());

function hostAt(number: number): FleetHost {
  const host = fleet.hosts[number - 1];
  if (host === undefined) throw new Error(`no host ${number}`);
  return host;
}

async function isConnected(host: FleetHost): Promise<boolean> {
  return (await instanceOf(fleet, host.name)).agentConnected === true;
}

/** How often an agent was welcomed so far. */
async function sessions(): Promise<number> {
  return (await fleet.logOf('control')).split('\n').filter((line) => line.includes('"session opened"')).length;
}

async function lostTasks(): Promise<number> {
  const all = await fleet.tasks({ serviceName: web });
  return all.filter(({ attributes }) => attributes?.some(({ name }) => name === 'berth.lost-at')).length;
}

async function expectUndisturbed(before: readonly RunningContainer[], host: FleetHost): Promise<void> {
  const own = before.filter((container) => container.host === host.name);
  expect(own).not.toEqual([]);
  expect(undisturbed(own, await host.running())).toEqual(own);
}

describe('a host cut off for 5 s', () => {
  it('keeps its session, its tasks and its containers', async () => {
    const [before, opened, host] = [await fleet.running(), await sessions(), hostAt(1)];
    await host.unplug();
    await systemClock.sleep(5000);
    await host.plugIn();
    const pluggedAt = systemClock.now();
    await runsThere(fleet, host.name);
    measured('cut off for 5 s: a task has been run there', systemClock.now() - pluggedAt);
    expect(await sessions()).toBe(opened);
    expect(undisturbed(before, await untilConverged(fleet))).toEqual(before);
  });
});

describe.concurrent('a host that is silent for longer than three heartbeats and shorter than the lost-after time', () => {
  it.each<[string, number, (host: FleetHost) => Promise<void>, (host: FleetHost) => Promise<void>]>([
    ['its cable is pulled', 1, (host) => host.unplug(), (host) => host.plugIn()],
    ['its interface is down', 2, (host) => host.setInterface('down'), (host) => host.setInterface('up')],
    ['nothing reaches it', 3, (host) => host.oneWay('deaf'), (host) => host.oneWay('neither')],
    ['nothing leaves it', 4, (host) => host.oneWay('mute'), (host) => host.oneWay('neither')],
    ['all of it stands still', 5, (host) => host.freeze(true), (host) => host.freeze(false)],
  ])('%s: is disconnected, keeps its tasks and is taken up again', async (what, number, fault, mend) => {
    const host = hostAt(number);
    const before = await host.running();
    const cutAt = systemClock.now();
    await fault(host);
    await eventually('its silence', async () => !(await isConnected(host)));
    const noticed = measured(`${what}: noticed`, systemClock.now() - cutAt);
    // An agent that hears nothing gives up first, and its farewell may wait for an answer to what it said before.
    expect(noticed).toBeLessThan(2 * 3 * heartbeatSeconds + 5);
    await systemClock.sleep(3000);
    await mend(host);
    const mendedAt = systemClock.now();
    await eventually('its return', () => isConnected(host));
    measured(`${what}: connected again`, systemClock.now() - mendedAt);
    await expectUndisturbed(before, host);
    expect(await lostTasks()).toBe(0);
  });
});

describe('a host cut off for longer than the lost-after time', () => {
  it('has its tasks replaced, runs them on, and gives up what is one too many when it is back', async () => {
    const [before, host] = [await fleet.running(), hostAt(3)];
    const others = before.filter((container) => container.host !== host.name);
    const cutAt = systemClock.now();
    await host.unplug();
    await eventually('the replacements', async () => {
      const running = await fleet.running();
      return running.filter((container) => container.host !== host.name).length === tasks;
    });
    const seconds = measured('cut off beyond lost-after: its tasks run elsewhere', systemClock.now() - cutAt);
    expect(seconds).toBeLessThan(3 * heartbeatSeconds + lostAfterSeconds + 10);
    await expectUndisturbed(before, host);
    await host.plugIn();
    const mendedAt = systemClock.now();
    const after = await untilConverged(fleet, 120_000);
    measured('cut off beyond lost-after: one of each pair is left', systemClock.now() - mendedAt);
    expect(undisturbed(others, after)).toEqual(others);
  });
});

describe('a link that flaps every 3 s', () => {
  it('loses nothing and disturbs nothing', async () => {
    const [before, host] = [await fleet.running(), hostAt(4)];
    for (let round = 0; round < 5; round += 1) {
      await host.unplug();
      await systemClock.sleep(3000);
      await host.plugIn();
      await systemClock.sleep(3000);
      expect(await lostTasks()).toBe(0);
    }
    const steadyAt = systemClock.now();
    expect(undisturbed(before, await untilConverged(fleet))).toEqual(before);
    measured('flapping: at rest', systemClock.now() - steadyAt);
  });
});

describe('a link that is slow and loses a third of what it carries', () => {
  it('still brings tasks to its host and the news of them back', async () => {
    const host = hostAt(1);
    await host.slow(256_000);
    await host.lossy(0.3);
    const before = await host.running();
    await eventually('its connection', () => isConnected(host));
    const victim = before[0];
    if (victim === undefined) throw new Error('nothing runs there');
    const killedAt = systemClock.now();
    await host.engine.kill(victim.id, 'SIGKILL');
    await eventually('the news of its end', async () => (await fleet.task(victim.taskArn)).lastStatus === 'STOPPED');
    measured('slow and lossy link: the end of a task is known', systemClock.now() - killedAt);
    await host.lossy(0);
    await host.slow(undefined);
    expect(await untilConverged(fleet, 120_000)).toHaveLength(tasks);
  });
});
