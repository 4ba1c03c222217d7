/** Starting and closing the control service as a whole. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, readConfig, type ControlConfig } from '#control/config.ts';
import { startControl, type Control } from '#control/control.ts';
import { loadSecrets } from '#control/secrets.ts';
import { systemIds } from '#lib/ids.ts';
import { createLogger, silentLogger } from '#lib/logger.ts';

let home: string;
const running: Control[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'berth-control-'));
});

afterEach(async () => {
  for (const control of running.splice(0)) await control.close();
  rmSync(home, { recursive: true, force: true });
});

function config(variables: Record<string, string> = {}): ControlConfig {
  return readConfig({ BERTH_LISTEN: '127.0.0.1:0', BERTH_HOME: home, ...variables });
}

async function start(variables: Record<string, string> = {}): Promise<Control> {
  const control = await startControl(config(variables), { logger: silentLogger });
  running.push(control);
  return control;
}

describe('a first start', () => {
  test('makes a key and a token that only their owner may read, and says neither in the log', async () => {
    const lines: string[] = [];
    const logger = createLogger({
      name: 'control',
      level: 'debug',
      stream: { write: (line) => void lines.push(line) },
    });
    const control = await startControl(config(), { logger });
    running.push(control);
    const { adminKey, agentToken } = control.secrets;
    expect(JSON.parse(readFileSync(join(home, 'admin-credentials.json'), 'utf8'))).toEqual(adminKey);
    expect(readFileSync(join(home, 'agent-token'), 'utf8').trim()).toBe(agentToken);
    for (const name of ['admin-credentials.json', 'agent-token', 'control.sqlite']) {
      expect(statSync(join(home, name)).mode & 0o077, name).toBe(0);
    }
    expect(lines.join('')).not.toContain(adminKey.secretAccessKey);
    expect(lines.join('')).not.toContain(agentToken);
    expect(readdirSync(home).filter((name) => /writable|\.\d+$/.test(name))).toEqual([]);
  });

  test('answers on the port it took', async () => {
    const control = await start();
    const answer = await fetch(`${control.url}/readyz`);
    expect(await answer.json()).toEqual({ status: 'ready' });
  });
});

describe('a later start', () => {
  test('keeps the key, the token and the cluster', async () => {
    const first = await start();
    await first.close();
    const second = await start();
    expect(second.secrets).toEqual(first.secrets);
  });

  test('takes what the configuration gives instead', async () => {
    await (await start()).close();
    const given = { BERTH_ADMIN_ACCESS_KEY_ID: 'AKIAGIVEN', BERTH_ADMIN_SECRET_ACCESS_KEY: 'a secret of some length' };
    expect((await start(given)).secrets.adminKey.accessKeyId).toBe('AKIAGIVEN');
  });
});

describe('a start that cannot succeed', () => {
  test('names the folder that it may not write to', async () => {
    const file = join(home, 'file');
    writeFileSync(file, '');
    await expect(start({ BERTH_HOME: join(file, 'below') })).rejects.toThrow(
      `BERTH_HOME: cannot write to the folder ${join(file, 'below')} (ENOTDIR)`,
    );
    await expect(start({ BERTH_HOME: '/proc/berth' })).rejects.toThrow(
      'BERTH_HOME: cannot write to the folder /proc/berth (ENOENT)',
    );
  });

  test('names the address that is taken, and leaves nothing open', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const address = squatter.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start({ BERTH_LISTEN: `127.0.0.1:${port}` })).rejects.toThrow(
      `BERTH_LISTEN: cannot listen on 127.0.0.1:${port} (EADDRINUSE)`,
    );
    squatter.close();
    await start();
  });

  test('names the address with TLS that is taken, and makes its authority only where it listens with TLS', async () => {
    expect(readdirSync(home)).not.toContain('ca');
    await start();
    expect(readdirSync(home)).not.toContain('ca');
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const address = squatter.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start({ BERTH_TLS_LISTEN: `127.0.0.1:${port}` })).rejects.toThrow(
      `BERTH_TLS_LISTEN: cannot listen on 127.0.0.1:${port} (EADDRINUSE)`,
    );
    squatter.close();
    const control = await start({ BERTH_TLS_LISTEN: '127.0.0.1:0' });
    expect(control.tlsUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    for (const name of readdirSync(join(home, 'ca'))) {
      expect(statSync(join(home, 'ca', name)).mode & 0o077, name).toBe(0);
    }
  });

  test('names the file of secrets that is damaged', () => {
    for (const text of ['', '{', '[]', '{"accessKeyId":"a"}', '{"accessKeyId":"a","secretAccessKey":7}']) {
      writeFileSync(join(home, 'admin-credentials.json'), text);
      expect(() => loadSecrets({ home }, systemIds)).toThrow(ConfigError);
      expect(() => loadSecrets({ home }, systemIds)).toThrow('admin-credentials.json is damaged');
    }
    rmSync(join(home, 'admin-credentials.json'));
    writeFileSync(join(home, 'agent-token'), '\n');
    expect(() => loadSecrets({ home }, systemIds)).toThrow('agent-token is empty');
  });
});

describe('closing', () => {
  test('ends within seconds, also while a client keeps its connection', async () => {
    const control = await start();
    await fetch(`${control.url}/healthz`, { headers: { connection: 'keep-alive' } });
    const before = performance.now();
    await control.close();
    expect(performance.now() - before).toBeLessThan(2500);
    await expect(fetch(`${control.url}/healthz`)).rejects.toThrow('fetch failed');
    running.length = 0;
  });
});
