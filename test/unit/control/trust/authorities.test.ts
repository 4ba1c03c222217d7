/** Control's authorities and its own certificate: made once, kept, replaced without cutting anybody off. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { daysMs, lapsedGraceMs, machineCertificateMs } from '#model/machine-trust.ts';
import { revokeMachine } from '#control/trust/joining.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { machineOne, machineTwo, trustWorld, type Joined, type TrustWorld } from '#test/support/trust-world.ts';

let clock: ManualClock;
let world: TrustWorld;
beforeEach(async () => {
  clock = new ManualClock();
  world = await trustWorld({ clock, names: ['berth.example.org', '10.9.8.7'] });
});
afterEach(() => world.dispose());

function files(): string[] {
  return readdirSync(join(world.home, 'ca')).toSorted();
}

async function renew({ der }: Pick<Joined, 'der'>): Promise<Uint8Array> {
  const { request } = await world.request();
  const { csr, hostname: name, fingerprint } = request;
  const outcome = await world.trust.renew(der, { csr, hostname: name, fingerprint });
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return new X509Certificate(outcome.answer.certificate).raw;
}

describe('the authority', () => {
  it('is made once, for ten years, and its key is its owner’s alone', async () => {
    const { serving, issuing } = await world.trust.open();
    expect(issuing).toBe(serving);
    expect(serving.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(serving.certificate.ca).toBe(true);
    expect(serving.certificate.validToDate.getTime()).toBe(clock.now() + 3650 * daysMs);
    for (const name of files()) expect(statSync(join(world.home, 'ca', name)).mode & 0o077, name).toBe(0);
    expect((await world.restarted().open()).serving.fingerprint).toBe(serving.fingerprint);
  });

  it('that is damaged or lost is named, and none is made in its place', async () => {
    const key = files().find((name) => name.endsWith('.key')) ?? '';
    writeFileSync(join(world.home, 'ca', key), '');
    await expect(world.restarted().open()).rejects.toThrow(`${key} is damaged or missing`);
    writeFileSync(join(world.home, 'ca', 'authorities.json'), '{');
    await expect(world.restarted().open()).rejects.toThrow('authorities.json is damaged or missing');
  });
});

describe('control’s own certificate', () => {
  it('names what it was told, the machine and its loopback addresses, and is kept', async () => {
    const identity = await world.trust.serverIdentity();
    expect(identity.names).toEqual(
      expect.arrayContaining([
        'berth.example.org',
        '10.9.8.7',
        hostname().toLowerCase(),
        'localhost',
        '127.0.0.1',
        '::1',
      ]),
    );
    const certificate = new X509Certificate(identity.certificatePem);
    expect(certificate.checkHost('berth.example.org')).toBe('berth.example.org');
    expect(certificate.checkIP('10.9.8.7')).toBe('10.9.8.7');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect((await world.restarted().serverIdentity()).certificatePem).toBe(identity.certificatePem);
  });

  it('is made anew when two thirds of its life are over', async () => {
    const first = await world.trust.serverIdentity();
    await clock.advance(60 * daysMs - 1000);
    expect((await world.trust.serverIdentity()).certificatePem).toBe(first.certificatePem);
    await clock.advance(1000);
    const second = await world.trust.serverIdentity();
    expect(second.notAfter).toBe(clock.now() + 90 * daysMs);
  });

  it('is made anew when the file is damaged', async () => {
    const first = await world.trust.serverIdentity();
    writeFileSync(join(world.home, 'ca', 'server.pem'), 'nothing');
    const second = await world.trust.serverIdentity();
    expect(second.certificatePem).not.toBe(first.certificatePem);
    expect(readFileSync(join(world.home, 'ca', 'server.pem'), 'utf8')).toContain('BEGIN CERTIFICATE');
  });
});

describe('a rotation', () => {
  it('lets machines have certificates by the new authority, while control shows itself by the old', async () => {
    const before = await world.trust.open();
    let announced = 0;
    world.trust.subscribe(() => (announced += 1));
    expect(await world.trust.beginRotation()).toBe(true);
    expect(await world.trust.beginRotation()).toBe(false);
    expect(announced).toBe(1);
    const { serving, issuing } = await world.trust.open();
    expect(serving.fingerprint).toBe(before.serving.fingerprint);
    expect(issuing.fingerprint).not.toBe(serving.fingerprint);
    const bundle = await world.trust.bundle();
    expect(bundle.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(
      new X509Certificate((await world.trust.serverIdentity()).certificatePem).verify(serving.certificate.publicKey),
    ).toBe(true);
    const { der } = await world.join();
    expect(world.trust.judge(der)).toMatchObject({ kind: 'valid', peer: { issuer: issuing.fingerprint } });
  });

  it('is finished when every machine has shown a certificate by the new one, and not before', async () => {
    const joined = await world.join();
    await world.trust.beginRotation();
    expect(world.trust.judge(joined.der).kind).toBe('valid');
    expect(await world.trust.finishRotation({ force: false })).toMatchObject({
      kind: 'waiting',
      machines: [{ machineId: machineOne }],
    });
    const renewed = await renew(joined);
    // The answer may have been lost on its way.
    expect((await world.trust.finishRotation({ force: false })).kind).toBe('waiting');
    expect(await world.trust.confirm(renewed)).toEqual({ kind: 'confirmed' });
    expect(await world.trust.finishRotation({ force: false })).toEqual({ kind: 'finished' });
    expect(await world.trust.finishRotation({ force: false })).toEqual({ kind: 'not-begun' });
    expect(world.trust.judge(renewed).kind).toBe('valid');
    expect(world.trust.judge(joined.der).kind).toBe('refused');
    const { serving } = await world.trust.open();
    expect(
      new X509Certificate((await world.trust.serverIdentity()).certificatePem).verify(serving.certificate.publicKey),
    ).toBe(true);
    expect(files().filter((name) => name.startsWith('ca-'))).toHaveLength(2);
  });

  it('waits for no machine that was revoked, and for one that lapsed as long as it may come back', async () => {
    await world.join();
    await world.join({ machineId: machineTwo });
    await world.trust.beginRotation();
    await world.store.write((tx) => revokeMachine(tx, machineTwo, clock.now()));
    await clock.advance(machineCertificateMs + lapsedGraceMs - 1000);
    expect((await world.trust.waiting()).map(({ machineId }) => machineId)).toEqual([machineOne]);
    await clock.advance(1000);
    expect(await world.trust.waiting()).toEqual([]);
  });

  it('is finished by force, and survives a restart and a crash at each step', async () => {
    await world.join();
    await world.trust.beginRotation();
    const during = await world.trust.open();
    const again = world.restarted();
    expect((await again.open()).issuing.fingerprint).toBe(during.issuing.fingerprint);
    // A crash before the switch leaves files that nothing names.
    writeFileSync(join(world.home, 'ca', 'ca-0123456789abcdef.key'), 'left behind');
    expect(await again.finishRotation({ force: true })).toEqual({ kind: 'finished' });
    expect(files()).not.toContain('ca-0123456789abcdef.key');
    const after = await world.restarted().open();
    expect(after.serving.fingerprint).toBe(during.issuing.fingerprint);
    expect(after.issuing.fingerprint).toBe(during.issuing.fingerprint);
  });
});
