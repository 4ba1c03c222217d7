/** Sessions of agents that came with a certificate: for whom they may speak, and for how long. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentPeer } from '#control/sessions/agent-peer.ts';
import { revokeMachine } from '#control/trust/joining.ts';
import { machineCertificateMs, type MachineCertificate } from '#model/machine-trust.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { aHello, connectFakeAgent, type FakeAgent } from '#test/support/fake-agent.ts';
import { hardwareWithBoard } from '#test/support/hardware.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let test: SessionsUnderTest;
beforeEach(async () => {
  test = await startSessions();
});
afterEach(() => test.dispose());

const machineId = 'abcdef01-0000';

async function issue(overrides: Partial<MachineCertificate> = {}): Promise<MachineCertificate> {
  const issuedAt = test.clock.now();
  const certificate = {
    serial: '1a',
    machineId,
    clusterName: 'default',
    issuer: 'sha256:aa',
    fingerprint: 'fingerprint-0001',
    hostname: 'host-1',
    issuedAt,
    notAfter: issuedAt + machineCertificateMs,
    ...overrides,
  };
  await test.store.write((tx) => tx.machineCertificates.put(certificate));
  return certificate;
}

async function connect(certificate: MachineCertificate, hello = {}): Promise<FakeAgent> {
  const peer: AgentPeer = { kind: 'certificate', certificate };
  const sessions = {
    accept: (...[link, remote]: Parameters<typeof test.sessions.accept>) => test.sessions.accept(link, remote, peer),
  };
  const agent = connectFakeAgent({ clock: test.clock, sessions });
  agent.send(aHello({ machineId, ...hello }));
  await test.settle();
  const number = agent.last('assignments')?.number;
  if (number !== undefined) agent.send({ type: 'assignmentsAck', number });
  await test.settle();
  return agent;
}

const minuteMs = 60_000;

/** With the agent's heart beating. */
async function pass(agent: FakeAgent, minutes: number): Promise<void> {
  for (let beat = 0; beat < minutes * 3 && agent.closed === undefined; beat += 1) {
    await test.clock.advance(20_000);
    agent.send({ type: 'heartbeat', sentAt: test.clock.now(), health: { status: 'OK' } });
  }
}

describe('a session by certificate', () => {
  it('is noted: the machine surely has the certificate', async () => {
    await connect(await issue());
    const row = await test.store.read((tx) => tx.machineCertificates.get('1a'));
    expect(row?.shownAt).toBe(test.clock.now());
  });

  it('ends when the certificate lapses and the machine has no other', async () => {
    const certificate = await issue({ notAfter: test.clock.now() + 60 * minuteMs });
    const agent = await connect(certificate);
    await pass(agent, 59);
    expect(agent.closed).toBeUndefined();
    await pass(agent, 2);
    expect(agent.closed).toEqual({ code: closeCodes.unauthorized, reason: 'the certificate lapsed' });
  });

  it('goes on beyond the end of its certificate as long as the machine has one that holds', async () => {
    const hour = 60 * minuteMs;
    const agent = await connect(await issue({ notAfter: test.clock.now() + hour }));
    await issue({ serial: '1b', notAfter: test.clock.now() + 2 * hour });
    await pass(agent, 119);
    expect(agent.closed).toBeUndefined();
    await pass(agent, 2);
    expect(agent.closed).toEqual({ code: closeCodes.unauthorized, reason: 'the certificate lapsed' });
  });

  it('is refused when the certificate is revoked between the opening and the hello', async () => {
    const certificate = await issue();
    await test.store.write((tx) => revokeMachine(tx, machineId, test.clock.now()));
    const agent = await connect(certificate);
    expect(agent.closed).toEqual({ code: closeCodes.unauthorized, reason: 'the certificate was revoked' });
    expect(await test.instances()).toEqual([]);
  });

  it('is refused when the certificate was given to other hardware, also while that is away, and logged', async () => {
    const fingerprint = hardwareWithBoard('original', ['02:00:00:00:00:01']);
    const certificate = await issue({ fingerprint });
    const original = await connect(certificate, { fingerprint: hardwareWithBoard('original') });
    original.close(1006, 'gone');
    await test.settle();
    const copy = await connect(certificate, { fingerprint: hardwareWithBoard('copy') });
    expect(copy.closed).toMatchObject({
      code: closeCodes.duplicateIdentity,
      reason: expect.stringMatching(/^given to other hardware: .* then join$/),
    });
    expect(test.logLines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'an agent with the identity of another machine (a copied disk?) is refused',
    ]);
  });

  it('says nothing of the machine that it is not: another identity is refused before anything is looked up', async () => {
    const agent = await connect(await issue(), { machineId: 'victim-0000' });
    expect(agent.closed).toMatchObject({
      code: closeCodes.unauthorized,
      reason: `the certificate is machine ${machineId}'s, not victim-0000's`,
    });
    expect(await test.instances()).toEqual([]);
  });

  it('is ended by the revocation of its own machine alone', async () => {
    const mine = await connect(await issue());
    const other = await connect(await issue({ serial: '2a', machineId: 'other-machine' }), {
      machineId: 'other-machine',
    });
    test.sessions.revoked(machineId);
    await test.settle();
    expect(mine.closed).toMatchObject({ code: closeCodes.unauthorized });
    expect(other.closed).toBeUndefined();
  });
});

describe('a session by token', () => {
  it('is refused for a machine that has a certificate, until that has lapsed or is revoked', async () => {
    await issue();
    const refused = await test.connect({ machineId });
    expect(refused.closed).toEqual({
      code: closeCodes.unauthorized,
      reason: 'the machine has a certificate: it speaks over TLS alone',
    });
    await test.store.write((tx) => revokeMachine(tx, machineId, test.clock.now()));
    const admitted = await test.connect({ machineId });
    expect(admitted.closed).toBeUndefined();
  });
});
