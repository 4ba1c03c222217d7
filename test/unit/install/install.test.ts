/** What install.sh says without doing anything: its options, its refusals, its plans. What it does, test/install shows on a host with systemd. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const script = resolve(import.meta.dirname, '../../../install.sh');
const fingerprint = `sha256:${'0f'.repeat(32)}`;
const control = 'https://10.0.0.1:4567';

function install(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    execFile('sh', [script, ...args], (error, out, err) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

describe('install.sh', () => {
  it('explains itself, and that alone, when it is asked to', async () => {
    const { code, out, err } = await install('--help');
    expect([code, err]).toEqual([0, '']);
    for (const option of ['--control', '--join URL', '--ca-fingerprint', '--uninstall', '--purge', '--dry-run']) {
      expect(out).toContain(option);
    }
  });

  it.each([
    [[], 'Usage:'],
    [['--everything'], "'--everything' is not understood"],
    [['--dry-run'], 'say what to install'],
    [['--join'], '--join needs a value'],
    [['--join', 'http://10.0.0.1:4567'], '--join needs https://HOST:PORT'],
    [['--join', control], '--join needs --ca-fingerprint'],
    [['--join', control, '--ca-fingerprint', 'sha256:12'], '--join needs --ca-fingerprint'],
    [['--join', control, '--ca-fingerprint', fingerprint], '--join needs --activation-id'],
    [['--agent', '--join', control, '--ca-fingerprint', fingerprint, '--activation-id', 'x'], 'one of them'],
    [['--purge'], '--purge goes with --uninstall'],
    [['--uninstall', '--control'], '--uninstall stands alone'],
    [['--agent', '--listen', '0.0.0.0:1'], '--listen and --name go with --control'],
    [['--activation-code', 'secret'], 'the activation code is no argument'],
  ])('refuses %j before it looks at the machine', async (args, message) => {
    const { code, out, err } = await install(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });

  it('plans a control service and its own agent', async () => {
    const { code, out } = await install('--dry-run', '--control', '--agent', '--from', '/release');
    expect(code).toBe(0);
    expect(out).toMatch(/^Machine: .*, systemd: (yes|no), cgroups: version [12], Docker Engine: /m);
    expect(out).toMatch(/^would take berth-linux-(x64|arm64) from: \/release$/m);
    expect(out).toMatch(/^would write: \/etc\/berth\/control.env \(mode 0640, root:berth\)$/m);
    expect(out).toMatch(/berth-control\.service[^]*berth-agent\.service/);
  });

  it('plans to join, trusting nothing but the fingerprint', async () => {
    const activation = ['--ca-fingerprint', fingerprint, '--activation-id', 'a-1'];
    const { code, out } = await install('--dry-run', '--join', `${control}/`, ...activation, '--from', '/release');
    expect(code).toBe(0);
    expect(out).toContain(`would join: ${control}, with the activation a-1`);
  });

  it('plans to leave the containers running, unless it is to purge', async () => {
    expect((await install('--dry-run', '--uninstall')).out).toContain('Containers go on running.');
    const { out } = await install('--dry-run', '--uninstall', '--purge');
    expect(out).toContain('would run: rm -rf /etc/berth /var/lib/berth /var/lib/berth-agent');
  });
});
