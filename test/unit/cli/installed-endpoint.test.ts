import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installedEndpoint } from '#cli/installed-endpoint.ts';

const key = { accessKeyId: 'AKIDINSTALLED', secretAccessKey: 'secret-of-the-installed-one' };
let folder: string;
let settings: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-installed-'));
  settings = join(folder, 'control.env');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the control service that is installed on this machine', () => {
  it('is found by its settings and its key', () => {
    writeFileSync(settings, `BERTH_HOME=${folder}\nBERTH_LISTEN=127.0.0.1:4600\nBERTH_REGION=eu-central-1\n`);
    writeFileSync(join(folder, 'admin-credentials.json'), JSON.stringify(key));

    expect(installedEndpoint(settings)).toEqual({ url: 'http://127.0.0.1:4600', region: 'eu-central-1', ...key });
  });

  it('may have its key in its settings', () => {
    const lines = [
      `BERTH_HOME=${folder}`,
      `BERTH_ADMIN_ACCESS_KEY_ID=${key.accessKeyId}`,
      `BERTH_ADMIN_SECRET_ACCESS_KEY=${key.secretAccessKey}`,
    ];
    writeFileSync(settings, lines.join('\n'));

    expect(installedEndpoint(settings)).toMatchObject({ url: 'http://127.0.0.1:4566', ...key });
  });

  it('is none where there are no settings, or no key yet', () => {
    expect(installedEndpoint(settings)).toBeUndefined();
    writeFileSync(settings, `BERTH_HOME=${folder}\n`);
    expect(installedEndpoint(settings)).toBeUndefined();
  });

  it('says what is damaged, without the secret', () => {
    writeFileSync(settings, `BERTH_HOME=${folder}\n`);
    writeFileSync(join(folder, 'admin-credentials.json'), '{"accessKeyId":"AKID"');

    expect(() => installedEndpoint(settings)).toThrow(/admin-credentials.json is damaged/);
  });
});
