/**
 * The certificate of a host lapses while the host is off. Days pass by the clocks of the daemons (test/support/preload/shifted-clock.ts). Stolen ones are
 * test/contract/session/tls.test.ts: all hosts here have the hardware of one machine.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { daysMs } from '#model/machine-trust.ts';
import { openFleet, type Fleet } from '#test/support/hosts/fleet.ts';
import { startWeb } from '#test/support/hosts/service.ts';
import { measured } from '#test/support/measured.ts';
import { withShiftedClock } from '#test/support/preloads.ts';
import { eventually } from '#test/support/real-cell.ts';

const tasks = 2;
/** A certificate is for 30 days, and may be renewed for 30 more. */
const awayMs = 40 * daysMs;
let folder: string;
let clockFile: string;
let fleet: Fleet;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-clock-'));
  clockFile = join(folder, 'shift');
  writeFileSync(clockFile, '0');
  const shifted = withShiftedClock(clockFile);
  fleet = await openFleet({ hosts: 1, control: shifted, agent: shifted });
  await startWeb(fleet, tasks);
});
afterAll(async () => {
  await fleet.close();
  rmSync(folder, { recursive: true });
});

function identityFile(host: string): string {
  return join(fleet.folder, 'hosts', host, 'agent/identity.pem');
}

function notAfter(host: string): number {
  return new X509Certificate(readFileSync(identityFile(host))).validToDate.getTime();
}

it('a certificate that lapsed while its host was off is renewed when it is back', async () => {
  const [host] = fleet.hosts;
  await host?.powerOff();
  writeFileSync(clockFile, String(awayMs));
  expect(notAfter('host-1')).toBeLessThan(systemClock.now() + awayMs);
  const before = await welcomes('host-1');
  const onAt = systemClock.now();
  await host?.powerOn();
  // By control's log: its clock is not the one that requests are signed by.
  await eventually('its return', async () => (await welcomes('host-1')) > before);
  measured('certificate lapsed while the host was off: connected again', systemClock.now() - onAt);
  expect(notAfter('host-1')).toBeGreaterThan(systemClock.now() + awayMs);
});

async function welcomes(host: string): Promise<number> {
  const lines = (await fleet.logOf('control')).split('\n');
  return lines.filter((line) => line.includes('"session opened"') && line.includes(`"${host}"`)).length;
}
