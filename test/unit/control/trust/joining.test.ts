/** Who gets a certificate, until when, and what it is good for. */
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { daysMs, lapsedGraceMs, machineCertificateMs } from '#model/machine-trust.ts';
import { hardwareWithBoard } from '#test/support/hardware.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { machineOne, machineTwo, trustWorld, type TrustWorld } from '#test/support/trust-world.ts';
import { revokeMachine } from '#control/trust/joining.ts';

let clock: ManualClock;
let world: TrustWorld;
beforeEach(async () => {
  clock = new ManualClock();
  world = await trustWorld({ clock });
});
afterEach(() => world.dispose());

async function refusalOf(overrides: Parameters<TrustWorld['request']>[0]): Promise<string> {
  const outcome = await world.trust.join((await world.request(overrides)).request);
  return outcome.kind === 'refused' ? outcome.code : 'joined';
}

const renewal = async () => {
  const { request, keyPem } = await world.request();
  const { csr, hostname, fingerprint } = request;
  return { keyPem, request: { csr, hostname, fingerprint } };
};

describe('a machine that joins', () => {
  it('gets a certificate that names it and its cluster, for 30 days, by the authority that it is told to trust', async () => {
    const { answer } = await world.join();
    const certificate = new X509Certificate(answer.certificate);
    expect(certificate.subjectAltName).toBe(`URI:berth:machine/${machineOne}`);
    expect(certificate.subject).toBe(`CN=${machineOne}\nO=default`);
    expect(certificate.validToDate.getTime()).toBe(clock.now() + 30 * daysMs);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.verify(new X509Certificate(answer.bundle).publicKey)).toBe(true);
    expect(answer.cluster).toBe('default');
  });

  it('is told the tags of its activation', async () => {
    const { answer } = await world.join(await world.invite({ tags: [{ key: 'rack', value: 'a' }] }));
    expect(answer.tags).toEqual([{ key: 'rack', value: 'a' }]);
  });

  it('is recognised by its certificate', async () => {
    const { der, serial } = await world.join();
    const { issuing } = await world.trust.open();
    expect(world.trust.judge(der)).toEqual({
      kind: 'valid',
      peer: {
        serial,
        machineId: machineOne,
        clusterName: 'default',
        issuer: issuing.fingerprint,
        issuedAt: expect.any(Number),
        notAfter: clock.now() + machineCertificateMs,
      },
    });
  });
});

describe('a machine is refused', () => {
  it('with an id that there is not and with a wrong code by the same words', async () => {
    const invitation = await world.invite();
    const unknown = { ...invitation, activationId: '00000000-0000-4000-8000-000000000000' };
    const wrong = { ...invitation, activationCode: 'wrong' };
    const answers = [];
    for (const attempt of [unknown, wrong, { ...invitation, activationCode: `${invitation.activationCode}x` }]) {
      answers.push(await world.trust.join((await world.request(attempt)).request));
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ kind: 'refused', code: 'InvalidActivation' });
  });

  it('when the activation has expired, to the millisecond', async () => {
    const invitation = await world.invite({ expiresAt: clock.now() + 1000, registrationLimit: 2 });
    await clock.advance(999);
    expect(await refusalOf(invitation)).toBe('joined');
    await clock.advance(1);
    expect(await refusalOf({ ...invitation, machineId: machineTwo })).toBe('ActivationExpired');
  });

  it('when the activation was used as often as it may be, also by many at once', async () => {
    const invitation = await world.invite({ registrationLimit: 2 });
    const ids = ['a', 'b', 'c', 'd', 'e'].map((digit) => machineOne.replaceAll('1', digit));
    const codes = await Promise.all(ids.map((machineId) => refusalOf({ ...invitation, machineId })));
    expect(codes.toSorted()).toEqual(['ActivationUsedUp', 'ActivationUsedUp', 'ActivationUsedUp', 'joined', 'joined']);
  });

  it('when the cluster of the activation is gone', async () => {
    expect(await refusalOf(await world.invite({ clusterName: 'gone' }))).toBe('ClusterNotFound');
  });

  it('when a machine of that id has a valid certificate: a stolen activation speaks for nobody else', async () => {
    await world.join();
    const invitation = await world.invite();
    expect(await refusalOf({ ...invitation, fingerprint: hardwareWithBoard('of-a-thief') })).toBe('AlreadyJoined');
    expect(await refusalOf(invitation)).toBe('AlreadyJoined');
    expect((await world.store.read((tx) => tx.activations.get(invitation.activationId)))?.registrationsCount).toBe(0);
  });

  it('when a machine of that id had a certificate with other hardware', async () => {
    await world.join();
    await clock.advance(machineCertificateMs);
    expect(await refusalOf({ ...(await world.invite()), fingerprint: hardwareWithBoard('of-a-thief') })).toBe(
      'AlreadyJoined',
    );
    expect(await refusalOf(await world.invite())).toBe('joined');
  });

  it('until it was revoked, after which it may join anew with any hardware', async () => {
    await world.join();
    await world.store.write((tx) => revokeMachine(tx, machineOne, clock.now()));
    expect(await refusalOf({ ...(await world.invite()), fingerprint: hardwareWithBoard('new') })).toBe('joined');
  });

  it('when what it sends is no request, or signed by another key', async () => {
    const invitation = await world.invite();
    const { request } = await world.request(invitation);
    const der = Buffer.from(request.csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const broken = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    for (const csr of [
      'nothing',
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
      broken,
    ]) {
      await expect(world.trust.join({ ...request, csr })).rejects.toMatchObject({ name: 'CertificateRequestError' });
    }
    expect((await world.store.read((tx) => tx.activations.get(invitation.activationId)))?.registrationsCount).toBe(0);
  });
});

describe('a certificate', () => {
  it('lapses at its end', async () => {
    const { der } = await world.join();
    await clock.advance(machineCertificateMs - 1);
    expect(world.trust.judge(der).kind).toBe('valid');
    await clock.advance(1);
    expect(world.trust.judge(der)).toMatchObject({
      kind: 'lapsed',
      reason: expect.stringMatching(/^the certificate lapsed at 2026-01-31T/),
    });
  });

  it('of another control service, of none, of control itself, and what is none, are refused', async () => {
    const other = await trustWorld({ clock });
    const { der } = await other.join();
    const own = new X509Certificate((await world.trust.serverIdentity()).certificatePem).raw;
    const { serving } = await world.trust.open();
    const reasons = [der, own, serving.certificate.raw, Buffer.from('nothing'), undefined].map((each) => {
      const verdict = world.trust.judge(each);
      return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
    });
    expect(reasons).toEqual([
      'the certificate is not by this control service',
      'the certificate is not one of a machine',
      'the certificate is not one of a machine',
      'the certificate cannot be read',
      expect.stringMatching(/^no certificate was shown/),
    ]);
    await other.dispose();
  });

  it('is not renewed for other hardware, but for a machine with a new card', async () => {
    const fingerprint = hardwareWithBoard('mine', ['02:00:00:00:00:01']);
    const { der } = await world.join({ fingerprint });
    const renewFor = async (hardware: string) => {
      const { request } = await renewal();
      return world.trust.renew(der, { ...request, fingerprint: hardware });
    };
    const copy = hardwareWithBoard('other', ['02:00:00:00:00:02']);
    expect(await renewFor(copy)).toMatchObject({ kind: 'refused', code: 'OtherHardware' });
    expect(await renewFor(hardwareWithBoard('mine', ['02:00:00:00:00:03']))).toMatchObject({ kind: 'renewed' });
  });

  it('is renewed for another 30 days, also within 30 days after its end', async () => {
    const { der } = await world.join();
    await clock.advance(20 * daysMs);
    const outcome = await world.trust.renew(der, (await renewal()).request);
    if (outcome.kind === 'refused') throw new Error(outcome.message);
    const renewed = new X509Certificate(outcome.answer.certificate);
    expect(renewed.subjectAltName).toBe(`URI:berth:machine/${machineOne}`);
    expect(renewed.validToDate.getTime()).toBe(clock.now() + 30 * daysMs);
    await clock.advance(10 * daysMs + lapsedGraceMs - 1);
    expect((await world.trust.renew(der, (await renewal()).request)).kind).toBe('renewed');
    await clock.advance(1);
    expect(await world.trust.renew(der, (await renewal()).request)).toMatchObject({ code: 'CertificateLapsed' });
  });

  it('that was revoked is not renewed', async () => {
    const { der } = await world.join();
    await world.store.write((tx) => revokeMachine(tx, machineOne, clock.now()));
    expect(await world.trust.renew(der, (await renewal()).request)).toMatchObject({ code: 'CertificateRevoked' });
    expect(await world.trust.confirm(der)).toMatchObject({ code: 'CertificateRevoked' });
  });

  it('that a restored database does not know still holds', async () => {
    const { der, serial } = await world.join();
    await world.store.write((tx) => tx.machineCertificates.deleteExpired(clock.now() + 100 * daysMs));
    expect(await world.store.read((tx) => tx.machineCertificates.get(serial))).toBeUndefined();
    expect((await world.trust.renew(der, (await renewal()).request)).kind).toBe('renewed');
  });
});
