/** Machines and control over real TLS: joining, sessions by certificate, renewal, revocation, rotation, and everything that is refused. */
import { copyFileSync, readdirSync, statSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentityFiles, type IdentityFiles } from '#agent/identity/identity-files.ts';
import { createWebSocketConnector } from '#agent/session/websocket.ts';
import { systemClock } from '#lib/clock.ts';
import { daysMs, machineCertificateMs } from '#model/machine-trust.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { rotationPath } from '#protocol/trust/description.ts';
import { tlsControl, type Talk, type TlsControl } from '#test/support/tls-control.ts';

let cell: TlsControl;
let talks: Talk[];
beforeEach(async () => {
  cell = await tlsControl();
  talks = [];
});
afterEach(async () => {
  for (const talk of talks) talk.end();
  await cell.close();
});

async function joined(): Promise<IdentityFiles> {
  const files = cell.newFolder();
  await cell.join(files);
  return files;
}

async function talk(...args: Parameters<TlsControl['talk']>): Promise<Talk> {
  const opened = await cell.talk(...args);
  talks.push(opened);
  return opened;
}

/** What `berth agent join` says, with an activation that is good unless something else is asked for. */
function joining(overrides: Parameters<TlsControl['join']>[1] = {}): Promise<unknown> {
  return cell.join(cell.newFolder(), overrides);
}

describe('a machine', () => {
  it('joins with an activation, and is served by its certificate', async () => {
    const files = cell.newFolder();
    const { kind, identity } = await cell.join(files);
    expect(kind).toBe('joined');
    expect(identity).toMatchObject({ cluster: 'default', control: cell.url });
    for (const name of readdirSync(files.folder)) {
      expect(statSync(joinPath(files.folder, name)).mode & 0o077, name).toBe(0);
    }
    const session = await talk(files);
    const welcome = await session.next('welcome');
    expect(welcome.cluster).toBe('default');
    const [instance] = await cell.store.read((tx) => tx.containerInstances.list({}));
    expect(instance?.machineId).toBe(identity.machineId);
  });

  it('that has joined says so, and uses no activation', async () => {
    const files = await joined();
    const { activationId } = await cell.invite();
    expect(await cell.join(files, { activationId })).toMatchObject({ kind: 'already' });
  });

  it('keeps its id when it joins anew after its certificate has lapsed', async () => {
    const files = await joined();
    const before = files.read()?.machineId;
    cell.clock.putForward(machineCertificateMs + 31 * daysMs);
    await expect(cell.renew(files)).rejects.toMatchObject({ code: 'CertificateLapsed' });
    const { kind, identity } = await cell.join(files);
    expect(kind).toBe('joined');
    expect(identity.machineId).toBe(before);
  });

  it('refuses a control service whose authority is another one, says both fingerprints and sends nothing', async () => {
    const other = `sha256:${'0'.repeat(64)}`;
    let asked = false;
    const attempt = joining({
      caFingerprint: other,
      activationCode: () => {
        asked = true;
        return Promise.resolve('code');
      },
    });
    await expect(attempt).rejects.toMatchObject({ name: 'FingerprintError' });
    const told = new RegExp(`${await cell.fingerprint()}.*${other}.*nothing was sent`);
    await expect(attempt).rejects.toThrow(told);
    expect(asked).toBe(false);
  });

  it('is refused with a code that is wrong, has expired, or was used too often', async () => {
    await expect(joining({ activationCode: () => Promise.resolve('wrong') })).rejects.toMatchObject({
      code: 'InvalidActivation',
    });
    const short = await cell.invite({ ExpirationDate: cell.clock.now() / 1000 + 60 });
    const code = (activationCode: string) => ({ activationCode: () => Promise.resolve(activationCode) });
    cell.clock.putForward(61_000);
    await expect(joining({ ...short, ...code(short.activationCode) })).rejects.toMatchObject({
      code: 'ActivationExpired',
    });
    const once = await cell.invite();
    await joining({ ...once, ...code(once.activationCode) });
    await expect(joining({ ...once, ...code(once.activationCode) })).rejects.toMatchObject({
      code: 'ActivationUsedUp',
    });
  });

  it('that fails too often is told to wait', async () => {
    const refusals = new Set<string>();
    for (let attempt = 0; attempt < 31; attempt += 1) {
      const error: unknown = await joining({ activationCode: () => Promise.resolve('guess') }).catch(
        (each: unknown) => each,
      );
      refusals.add(error instanceof Error && 'code' in error ? String(error.code) : 'none');
    }
    expect([...refusals]).toEqual(['InvalidActivation', 'TooManyRequests']);
  });
});

describe('a session', () => {
  it('is refused without a certificate, and a join token changes nothing', async () => {
    const { bundle = '' } = (await joined()).read() ?? {};
    const { agentToken } = cell.control.secrets;
    const response = await new Promise<string>((resolve, reject) => {
      const { hostname: host, port } = new URL(cell.url);
      const socket = tlsConnect({ host, port: Number(port), ca: bundle }, () =>
        socket.write(
          'GET /agent HTTP/1.1\r\nHost: control\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
            `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: berth.agent.v1\r\nAuthorization: Bearer ${agentToken}\r\n\r\n`,
        ),
      );
      socket.once('data', (data) => resolve(String(data)));
      socket.once('error', reject);
    });
    expect(response).toMatch(/^HTTP\/1.1 401 /);
    expect(response).toContain('no certificate was shown');
  });

  it('with the certificate of another machine is ended, and names both', async () => {
    const [thief, victim] = [await joined(), await joined()];
    const { machineId = '' } = victim.read() ?? {};
    const session = await talk(thief, { machineId });
    expect(await session.closed).toEqual({
      code: closeCodes.unauthorized,
      reason: `the certificate is machine ${thief.read()?.machineId}'s, not ${machineId}'s`,
    });
  });

  it('for another cluster than the certificate’s is ended', async () => {
    const session = await talk(await joined(), { cluster: 'other' });
    expect(await session.closed).toEqual({
      code: closeCodes.unauthorized,
      reason: 'the certificate is for cluster default, not other',
    });
  });

  it('by the join token is refused for a machine that has a certificate', async () => {
    const { machineId = '' } = (await joined()).read() ?? {};
    const connect = createWebSocketConnector({
      url: `${cell.control.url.replace(/^http/, 'ws')}/agent`,
      credentials: () => ({ kind: 'token', token: cell.control.secrets.agentToken }),
    });
    const closed = Promise.withResolvers<string>();
    const link = await connect(
      { message: () => undefined, closed: (_code, reason) => closed.resolve(reason) },
      new AbortController().signal,
    );
    const { aHello } = await import('#test/support/fake-agent.ts');
    link.send(JSON.stringify(aHello({ machineId })));
    expect(await closed.promise).toBe('the machine has a certificate: it speaks over TLS alone');
  });

  it('of a copied disk is refused while the first machine is connected, certificate or not', async () => {
    const files = await joined();
    const copy = createIdentityFiles(`${files.folder}-copy`);
    const { keyPem = '', certificatePem = '', bundle = '', control = '', tags = [] } = files.read() ?? {};
    copy.saveJoined({ keyPem, certificatePem, bundle }, { control, tags });
    copyFileSync(joinPath(files.folder, 'machine-id'), joinPath(copy.folder, 'machine-id'));
    await (await talk(files, { hostname: 'the-first' })).next('welcome');
    const second = await talk(copy, { fingerprint: 'other-hardware' });
    const end = await second.closed;
    expect(end.code).toBe(closeCodes.duplicateIdentity);
    expect(end.reason).toMatch(/^the-first is connected with this machine's identity/);
  });

  it('is refused when the certificate has lapsed, until it is renewed', async () => {
    const files = await joined();
    cell.clock.putForward(machineCertificateMs + 1000);
    await expect(talk(files)).rejects.toMatchObject({
      code: closeCodes.unauthorized,
      message: expect.stringMatching(/^control refused this agent: the certificate lapsed at .* \(HTTP 401\)$/),
    });
    await cell.renew(files);
    await (await talk(files)).next('welcome');
  });

  it('is ended at once when the certificate is revoked, and no other is opened, nor is it renewed', async () => {
    const files = await joined();
    const session = await talk(files);
    await session.next('welcome');
    await cell.ask('AmazonSSM.DeregisterManagedInstance', { InstanceId: files.read()?.machineId });
    expect(await session.closed).toEqual({ code: closeCodes.unauthorized, reason: 'the certificate was revoked' });
    expect(await (await talk(files)).closed).toEqual({
      code: closeCodes.unauthorized,
      reason: 'the certificate was revoked',
    });
    await expect(cell.renew(files)).rejects.toMatchObject({ code: 'CertificateRevoked' });
    expect(await cell.join(files)).toMatchObject({ kind: 'joined' });
    await (await talk(files)).next('welcome');
  });
});

describe('the TLS listener', () => {
  async function handshake(options: object): Promise<string> {
    const { hostname: host, port } = new URL(cell.url);
    return new Promise((resolve) => {
      const socket = tlsConnect({ host, port: Number(port), rejectUnauthorized: false, ...options }, () => {
        resolve(socket.getProtocol() ?? '');
        socket.destroy();
      });
      socket.once('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    });
  }

  it('speaks TLS 1.3 and nothing older', async () => {
    expect(await handshake({})).toBe('TLSv1.3');
    expect(await handshake({ maxVersion: 'TLSv1.2' })).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  it('serves the API too, and says who it is to anybody who asks', async () => {
    const files = await joined();
    const { bundle = '' } = files.read() ?? {};
    const { getUnverified } = await import('#agent/identity/control-requests.ts');
    expect(String(await getUnverified(`${cell.url}/ca.pem`, cell.clock))).toBe(bundle);
    expect(JSON.parse(String(await getUnverified(`${cell.url}/readyz`, cell.clock)))).toEqual({ status: 'ready' });
  });

  it('answers garbage and plain HTTP with the end of the connection, and goes on', async () => {
    const answer = await fetch(`${cell.url.replace('https', 'http')}/healthz`).catch((error: unknown) => error);
    expect(answer).toBeInstanceOf(TypeError);
    expect(await handshake({})).toBe('TLSv1.3');
  });

  it('drops those who connect and say nothing, or garbage, while everybody else is served', async () => {
    const { hostname: host, port } = new URL(cell.url);
    const files = await joined();
    const idle = Array.from({ length: 500 }, () => tcpConnect({ host, port: Number(port) }));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    for (const socket of idle.slice(250)) socket.write('garbage\r\n\r\n');
    const before = systemClock.now();
    await (await talk(files)).next('welcome');
    expect(systemClock.now() - before).toBeLessThan(5000);
    await Promise.all(idle.filter(({ closed }) => !closed).map((socket) => once(socket.resume(), 'close')));
    expect(systemClock.now() - before).toBeLessThan(20_000);
  });

  it('does not join or renew without TLS', async () => {
    for (const path of ['/join', '/renew']) {
      const answer = await fetch(`${cell.control.url}${path}`, { method: 'POST', body: '{}' });
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({ code: 'TlsRequired' });
    }
  });
});

describe('a rotation of the authority', () => {
  it('asks agents to renew, waits for them, and cuts none of them off', async () => {
    const files = await joined();
    const first = await cell.fingerprint();
    const session = await talk(files);
    await session.next('welcome');
    expect((await cell.post(rotationPath, { step: 'begin' })).status).toBe(200);
    await session.next('renewIdentity');
    const early = await cell.post(rotationPath, { step: 'finish' });
    expect(early.status).toBe(400);
    expect(await early.json()).toMatchObject({
      __type: 'ResourceInUseException',
      message: expect.stringContaining('host-1'),
    });
    await cell.renew(files);
    expect((await cell.post(rotationPath, { step: 'finish' })).status).toBe(200);
    expect(await cell.fingerprint()).not.toBe(first);
    const later = await talk(files);
    await later.next('welcome');
    await expect(joining({ caFingerprint: first })).rejects.toMatchObject({ name: 'FingerprintError' });
  });
});
