/** The operator's file of registry credentials: who may read it, which secret is meant, and what is told of it. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createRegistrySecrets } from '#agent/engine/registry-secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-secrets-'));
const path = join(folder, 'credentials.json');
const secrets = createRegistrySecrets(path);
const arn = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:registry/shop-a1B2c3';
const login = { username: 'shop', password: 'hunter2' };

function write(content: unknown, mode = 0o600): void {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  chmodSync(path, mode);
}

function complaint(secret = arn): { kind?: unknown; message?: unknown } {
  try {
    return { message: `found ${JSON.stringify(secrets.find(secret))}` };
  } catch (error) {
    return error instanceof Error ? { kind: Reflect.get(error, 'kind'), message: error.message } : {};
  }
}

beforeEach(() => write({ [arn]: login }));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a secret', () => {
  test.each([
    ['its ARN', arn],
    ['its name', 'registry/shop'],
    ['its name with the characters of the ARN', 'registry/shop-a1B2c3'],
    ['its ARN without them', arn.slice(0, -7)],
  ])('may be named by %s, in the definition and in the file', (_, name) => {
    expect(secrets.find(name)).toEqual(login);
    write({ [name]: login });
    expect(secrets.find(arn)).toEqual(login);
  });

  test('that is named exactly comes before one of the same name', () => {
    write({ 'registry/shop': { username: 'other', password: 'x' }, [arn]: login });
    expect(secrets.find(arn)).toEqual(login);
  });

  test('is read anew each time', () => {
    write({ [arn]: { ...login, password: 'renewed' } });
    expect(secrets.find(arn).password).toBe('renewed');
  });

  test('that is not there is named, with what to do', () => {
    write({ other: login });
    const { kind, message } = complaint();
    expect(kind).toBe('no-credentials');
    expect(message).toBe(`the secret ${arn} is not in ${path} of this machine; add it there, no restart is needed`);
  });
});

describe('a file', () => {
  test.each([0o640, 0o604, 0o620, 0o666])('of mode %o is refused', (mode) => {
    write({ [arn]: login }, mode);
    expect(complaint().message).toBe(
      `${path} may be read or changed by others (mode ${mode.toString(8)}); chmod 600 ${path}`,
    );
    expect(() => secrets.check()).toThrow('chmod 600');
  });

  test('that only its owner may read is fine', () => {
    write({ [arn]: login }, 0o400);
    expect(() => secrets.check()).not.toThrow();
  });

  test('that is not there is told', () => {
    rmSync(path);
    expect(complaint().message).toContain(`${path} cannot be read: ENOENT`);
  });

  test.each([
    ['{"a": hunter2}', 'is not JSON'],
    ['[]', 'expected record'],
    ['{"a": {"username": "hunter2"}}', 'a.password: '],
    ['{"a": {"username": "u", "password": 7, "hunter2": 1}}', 'a.password: '],
  ])('like %s is refused without a word of its secrets', (content, words) => {
    write(content);
    const { message } = complaint();
    expect(message).toContain(words);
    expect(message).not.toContain('hunter2');
  });
});
