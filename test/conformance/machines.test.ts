/** How machines join and lose their certificates: the stock `aws ssm`, the API over TLS, and `berth` itself, as programs. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentityFiles } from '#agent/identity/identity-files.ts';
import { tlsControl, type TlsControl } from '#test/support/tls-control.ts';
import { installedAwsCommands, runAws } from './cell.ts';

const program = resolve(import.meta.dirname, '../../src/main.ts');

let cell: TlsControl;
let home: string;
let overTls: Record<string, string>;
let plain: Record<string, string>;

beforeAll(async () => {
  cell = await tlsControl();
  home = mkdtempSync(join(tmpdir(), 'berth-machines-'));
  const bundle = join(home, 'bundle.pem');
  const { serving } = await bundleOf();
  writeFileSync(bundle, serving);
  const { accessKeyId, secretAccessKey } = cell.control.secrets.adminKey;
  plain = {
    HOME: home,
    AWS_ENDPOINT_URL: cell.control.url,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  overTls = { ...plain, AWS_ENDPOINT_URL: localhost(), AWS_CA_BUNDLE: bundle };
});

afterAll(async () => {
  await cell.close();
  rmSync(home, { recursive: true, force: true });
});

function localhost(): string {
  return cell.url.replace('127.0.0.1', 'localhost');
}

async function bundleOf(): Promise<{ serving: string }> {
  const answer = await fetch(`${cell.control.url}/ca.pem`);
  return { serving: await answer.text() };
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function berth(environment: Record<string, string>, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [program, ...args],
      { env: { ...process.env, BERTH_HOME: home, NO_COLOR: '1', ...environment }, timeout: 60_000 },
      (error, out, err) => done({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

async function berthWithInput(input: string, environment: Record<string, string>, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: (await ended) ?? -1, out, err };
}

describe.each(installedAwsCommands())('%s', (command) => {
  const aws = (environment: Record<string, string>, ...args: string[]): Promise<Record<string, unknown>> =>
    runAws(
      command,
      ['--endpoint-url', environment['AWS_ENDPOINT_URL'] ?? '', '--output', 'json', ...args],
      environment,
    );

  test('makes, shows and deletes activations', async () => {
    const tags = ['--tags', 'Key=rack,Value=a'];
    const made = await aws(
      plain,
      'ssm',
      'create-activation',
      '--iam-role',
      'any',
      '--registration-limit',
      '3',
      ...tags,
    );
    expect(made).toEqual({ ActivationId: expect.any(String), ActivationCode: expect.stringMatching(/^[0-9a-f]{24}$/) });
    const id = String(made['ActivationId']);
    const filters = ['--filters', `FilterKey=ActivationIds,FilterValues=${id}`];
    const shown = await aws(plain, 'ssm', 'describe-activations', ...filters);
    expect(shown['ActivationList']).toMatchObject([
      {
        ActivationId: id,
        IamRole: 'any',
        RegistrationLimit: 3,
        RegistrationsCount: 0,
        Expired: false,
        Tags: [
          { Key: 'berth:cluster', Value: 'default' },
          { Key: 'rack', Value: 'a' },
        ],
      },
    ]);
    await aws(plain, 'ssm', 'delete-activation', '--activation-id', id);
    await expect(aws(plain, 'ssm', 'delete-activation', '--activation-id', id)).rejects.toThrow('InvalidActivation');
    expect(await aws(plain, 'ssm', 'describe-activations', ...filters)).toEqual({ ActivationList: [] });
  });

  test('is told what is wrong with an activation', async () => {
    const create = (...args: string[]) => aws(plain, 'ssm', 'create-activation', '--iam-role', 'any', ...args);
    await expect(create('--registration-limit', '1001')).rejects.toThrow(/ValidationException.*RegistrationLimit/);
    await expect(create('--expiration-date', '2020-01-01T00:00:00Z')).rejects.toThrow(
      /ExpirationDate: expected a time to come/,
    );
    await expect(create('--expiration-date', '2099-01-01T00:00:00Z')).rejects.toThrow(
      /ExpirationDate: expected a time within 30 days/,
    );
    await expect(create('--tags', 'Key=berth:cluster,Value=gone')).rejects.toThrow(
      /names the cluster gone, which does not exist/,
    );
    await expect(aws(plain, 'ssm', 'describe-parameters')).rejects.toThrow('UnknownOperationException');
  });

  test('takes a machine its certificate', async () => {
    const files = cell.newFolder();
    const { identity } = await cell.join(files);
    await aws(plain, 'ssm', 'deregister-managed-instance', '--instance-id', identity.machineId);
    await expect(cell.renew(files)).rejects.toMatchObject({ code: 'CertificateRevoked' });
    const again = aws(plain, 'ssm', 'deregister-managed-instance', '--instance-id', identity.machineId);
    await expect(again).rejects.toThrow('InvalidInstanceId');
  });

  test('talks to control over TLS with the bundle, and to nobody without it', async () => {
    expect(await aws(overTls, 'ecs', 'list-clusters')).toMatchObject({
      clusterArns: ['arn:aws:ecs:us-east-1:000000000000:cluster/default'],
    });
    const { AWS_CA_BUNDLE: _bundle, ...without } = overTls;
    await expect(aws(without, 'ecs', 'list-clusters')).rejects.toThrow(/SSL|certificate/);
  });
});

describe('berth', () => {
  test('talks to control over TLS with AWS_CA_BUNDLE, and to nobody without it', async () => {
    const listed = await berth(overTls, 'cluster', 'list', '--output', 'json');
    expect(listed.err).toBe('');
    expect(JSON.parse(listed.out)).toMatchObject([{ clusterName: 'default' }]);
    const { AWS_CA_BUNDLE: _bundle, ...without } = overTls;
    expect((await berth(without, 'cluster', 'list')).code).toBe(1);
    const missing = await berth({ ...overTls, AWS_CA_BUNDLE: '/nowhere' }, 'cluster', 'list');
    expect(missing.err).toContain('AWS_CA_BUNDLE: /nowhere cannot be used');
  });

  test('exports what `aws` needs over TLS', async () => {
    expect((await berth(overTls, 'env')).out).toContain(`export AWS_CA_BUNDLE='${overTls['AWS_CA_BUNDLE']}'`);
    const { out } = await berth(plain, 'env', '--tls', '--output', 'json');
    const exported = JSON.parse(out) as Record<string, string>;
    expect(exported['AWS_ENDPOINT_URL']).toMatch(/^https:/);
    expect(readFileSync(exported['AWS_CA_BUNDLE'] ?? '', 'utf8')).toBe((await bundleOf()).serving);
  });

  test('invites a machine, which joins with what is printed, and revokes it', async () => {
    const words = ['instance', 'invite', '--host', 'localhost', '--uses', '2', '--tag', 'rack=b', '--output', 'json'];
    const invited = await berth(plain, ...words);
    expect(invited.err).toBe('');
    const invitation = JSON.parse(invited.out) as Record<string, string>;
    const { activationCode = '', activationId = '', caFingerprint = '', command = '', control = '' } = invitation;
    expect(control).toBe(localhost());
    // With the installer where control has one beside it, else with the program itself.
    expect(command).toMatch(/^(curl .* --join|sudo berth agent join --control) /);
    expect(command).toContain(`${control} --ca-fingerprint ${caFingerprint} --activation-id ${activationId}`);
    expect(command).not.toContain(activationCode);

    const dataFolder = join(home, 'agent');
    const given = ['--control', control, '--ca-fingerprint', caFingerprint, '--activation-id', activationId];
    const joinWords = ['agent', 'join', ...given, '--data-folder', dataFolder];
    const unasked = await berthWithInput('', {}, ...joinWords);
    expect(unasked).toMatchObject({ code: 5, out: '', err: expect.stringContaining('no activation code') });
    const joined = await berthWithInput(`${activationCode}\n`, {}, ...joinWords, '--activation-code-file', '-');
    expect(joined).toMatchObject({ code: 0, out: `BERTH_CONTROL_URL=${control.replace('https', 'wss')}/agent\n` });
    const identity = createIdentityFiles(dataFolder).read();
    expect(identity?.tags).toEqual([{ key: 'rack', value: 'b' }]);
    expect(await berthWithInput('', {}, ...joinWords)).toMatchObject({
      code: 0,
      err: expect.stringContaining('joined before'),
    });

    const renewed = await berth({ ECS_DATADIR: dataFolder }, 'agent', 'renew');
    expect(JSON.parse(renewed.out)).toMatchObject({ machineId: identity?.machineId });
    const listed = await berth(plain, 'instance', 'activations');
    expect(listed.out).toMatch(new RegExp(`${activationId} +default +1/2 `));
    expect(await berth(plain, 'instance', 'activations', '--delete', activationId)).toMatchObject({ code: 0 });

    const revoked = await berth(plain, 'instance', 'revoke', identity?.machineId ?? '');
    expect(revoked).toMatchObject({ code: 0, out: expect.stringContaining('its containers go on') });
    const refused = await berth({ ECS_DATADIR: dataFolder }, 'agent', 'renew');
    expect(refused).toMatchObject({ code: 5, err: expect.stringContaining('was revoked') });
  });

  test('says what is wrong with an invitation', async () => {
    expect((await berth(plain, 'instance', 'invite', '--host', 'elsewhere')).err).toContain('does not name elsewhere');
    expect((await berth(plain, 'instance', 'invite', '--expires', '31d', '--host', 'localhost')).err).toContain(
      'within 30 days',
    );
    expect((await berth(plain, 'instance', 'invite', '--cluster', 'gone', '--host', 'localhost')).err).toContain(
      'the cluster gone',
    );
  });

  test('shows and replaces the authority', async () => {
    const before = await berth(plain, 'trust', 'show');
    expect(before.out).toContain(await cell.fingerprint());
    const files = cell.newFolder();
    await cell.join(files);
    const begun = await berth(plain, 'trust', 'rotate');
    expect(begun.out).toMatch(/These machines have not moved yet[^]*host-1/);
    const early = await berth(plain, 'trust', 'rotate', '--finish');
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining('would have to be joined anew') });
    await cell.renew(files);
    const shown = await berth(plain, 'trust', 'show', '--output', 'json');
    expect(JSON.parse(shown.out)).toMatchObject({ waiting: [] });
    const finished = await berth(plain, 'trust', 'rotate', '--finish');
    expect(finished.out).not.toContain(/CA fingerprint: +(\S+)/.exec(before.out)?.[1]);
  });
});
