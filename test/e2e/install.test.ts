/**
 * The installer on whole hosts with systemd and an engine of their own: a control service and its agent on one, an agent that joins over TLS on another, which has nothing
 * but curl. What is installed keeps its promises: containers outlive the services, a second run changes nothing, no secret is where others can read it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  accept,
  connectedAgentsOf,
  containersOf,
  createService,
  instancesOf,
  invite,
  whatIsLeft,
} from '#test/support/installed-hosts.ts';
import { eventually } from '#test/support/real-cell.ts';
import { fillRelease } from '#test/support/release.ts';
import { buildTestImage, testImage } from '#test/support/test-images.ts';
import { bootSystemdHosts, type SystemdHost, type SystemdHosts } from '../hosts/systemd-hosts.ts';

const minute = 60_000;
const root = resolve(import.meta.dirname, '../..');
let release: string;
let hosts: SystemdHosts;
let first: SystemdHost;
let second: SystemdHost;
let code = '';

beforeAll(async () => {
  release = await mkdtemp(join(tmpdir(), 'berth-release-'));
  await fillRelease(release);
  hosts = await bootSystemdHosts(['alpha', 'beta'], release);
  [first, second] = hosts.hosts as [SystemdHost, SystemdHost];
  await Promise.all(hosts.hosts.map(async (host) => buildTestImage(await host.dockerHost())));
}, 15 * minute);
afterAll(async () => {
  await hosts?.[Symbol.asyncDispose]();
  await rm(release, { recursive: true, force: true });
}, 5 * minute);

/** Looks for two minutes. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  await eventually(what, isSo, 2 * minute, 500);
}

async function bothAgents(): Promise<void> {
  await until('both agents', async () => (await connectedAgentsOf(first)) === 2);
}

describe('install.sh', () => {
  it('makes a control service and an agent of one host', async () => {
    const said = await first.run(`sh /release/install.sh --control --agent --name ${first.address}`);

    expect(said).toContain('berth-control runs');
    expect(said).toContain('berth-agent runs');
    await until('the first agent', async () => (await connectedAgentsOf(first)) === 1);
    expect(
      await first.run(
        'stat -c "%a %U" /var/lib/berth /var/lib/berth-agent /etc/berth/control.env /etc/berth/agent.env',
      ),
    ).toBe('700 berth\n700 root\n640 root\n600 root\n');
    expect((await first.run('systemctl show -p Type -p User berth-control')).trim()).toBe('Type=notify\nUser=berth');
  });

  it('makes a host of a machine that has nothing but curl, by the command of an invitation', async () => {
    const invitation = await invite(first, first.address);
    code = invitation.activationCode;

    expect(await accept(second, invitation)).toContain('berth-agent runs');
    await bothAgents();
    expect(await second.run('readlink -f /usr/local/bin/berth')).toMatch(/^\/opt\/berth\/versions\/\d\S+\/berth\n$/);
  });

  it('gives nothing to whoever expects another authority', async () => {
    const words = `--ca-fingerprint sha256:${'0'.repeat(64)} --activation-id a`;
    const attempt = second.run(`sh /release/install.sh --join https://${first.address}:4567 ${words} 2>&1`);
    await expect(attempt).rejects.toThrow(
      /this is another control service, or somebody is between; nothing was installed/,
    );
  });

  it('keeps settings, identity and containers when it runs again', async () => {
    const before = await second.run('cat /etc/berth/agent.env /var/lib/berth-agent/machine-id');
    const { command } = await invite(first, first.address);
    await second.run(command.replaceAll('sudo ', ''));
    await first.run(`sh /release/install.sh --control --agent`);
    expect(await second.run('cat /etc/berth/agent.env /var/lib/berth-agent/machine-id')).toBe(before);
    await bothAgents();
  });
});

describe('a service of 4', () => {
  it('spreads over both hosts', async () => {
    await createService(first, { name: 'spread', image: testImage, memory: 16, desiredCount: 4 });
    const each = async () => (await Promise.all(hosts.hosts.map(containersOf))).map(({ length }) => length);
    await expect.poll(each, { timeout: 2 * minute, interval: 500 }).toEqual([2, 2]);
  });

  it('outlives the stop and the restart of every unit', async () => {
    const before = await Promise.all(hosts.hosts.map(containersOf));
    await second.run('systemctl stop berth-agent');
    await first.run('systemctl restart berth-control berth-agent');
    expect(await Promise.all(hosts.hosts.map(containersOf))).toEqual(before);
    await second.run('systemctl start berth-agent');
    await bothAgents();
    expect(await Promise.all(hosts.hosts.map(containersOf))).toEqual(before);
  });
});

describe('a reboot', () => {
  it('drains the machine, which is ACTIVE again when it is back', async () => {
    const second = hosts.hosts[1] as SystemdHost;
    await second.reboot();

    const before = await second.run('journalctl --no-pager -o cat -u berth-agent -b -1');
    expect(before).toContain('the machine goes down; its tasks may move');
    expect(before).toContain('"goesDown":true');
    expect(before).not.toContain('before all of its tasks have moved');
    expect(await first.run('journalctl --no-pager -o cat -u berth-control')).toContain('"drained":true,"others":1');
    await until('both machines', async () =>
      (await instancesOf(first)).every(({ status, agentConnected }) => status === 'ACTIVE' && agentConnected),
    );
    // The service lost none of its four: they are on the first machine, or back.
    await until(
      'four tasks',
      async () => (await instancesOf(first)).reduce((sum, { runningTasksCount }) => sum + runningTasksCount, 0) === 4,
    );
  });
});

describe('a secret', () => {
  it('is in no argument, no journal and no file that others can read', async () => {
    const key = z
      .object({ secretAccessKey: z.string() })
      .parse(JSON.parse(await first.run('cat /var/lib/berth/admin-credentials.json')));
    const token = (await first.run('cat /var/lib/berth/agent-token')).trim();
    for (const host of hosts.hosts) {
      const args = await host.run(`cat /proc/[0-9]*/cmdline | tr '\\0' ' '`);
      const journal = await host.run('journalctl --no-pager -o cat');
      // As a user who owns nothing.
      const readable = await host.run(
        `setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'cat /etc/berth/* /opt/berth/dist/SHA256SUMS /var/lib/berth/* /var/lib/berth-agent/* /etc/systemd/system/berth* 2>/dev/null || :'`,
      );
      for (const secret of [key.secretAccessKey, token, code]) {
        expect(`${args}${journal}${readable}`).not.toContain(secret);
      }
      expect(readable).toContain('[Unit]');
    }
  });

  it('of the host is its own: no private key leaves it, nor is one readable', async () => {
    const modes = await second.run(`find /var/lib/berth-agent /etc/berth -type f -perm /077 ! -name '*.pem'`);
    expect(modes).toBe('');
  });
});

describe('--uninstall', () => {
  it('leaves the containers running, and the settings', async () => {
    // The reboot may have left none on it.
    await createService(first, { name: 'again', image: testImage, memory: 16, desiredCount: 4 });
    await until('tasks on the second host', async () => (await containersOf(second)).length >= 2);
    const before = await containersOf(second);
    await second.run('sh /release/install.sh --uninstall');
    expect(await containersOf(second)).toEqual(before);
    expect(await second.run('ls /etc/berth; ls -d /opt/berth /usr/local/bin/berth 2>/dev/null || :')).toBe(
      'agent.env\n',
    );
  });

  it('with --purge after that removes the containers all the same, by the program of the release', async () => {
    await second.run('sh /release/install.sh --uninstall --purge');
    expect(await second.run('docker ps -aq --filter label=com.amazonaws.ecs.task-arn')).toBe('');
    expect(await second.run(whatIsLeft)).toBe('');
  });

  it('with --purge leaves nothing of Berth', async () => {
    await first.run('sh /release/install.sh --uninstall --purge');
    expect(await containersOf(first)).toEqual([]);
    expect(await first.run('docker ps -aq --filter label=com.amazonaws.ecs.task-arn')).toBe('');
    expect(await first.run(whatIsLeft)).toBe('');
  });
});

it('was made of the installer that is shipped', async () => {
  const { stdout } = await promisify(execFile)(join(root, 'dist/berth'), ['shipped', 'install.sh']);
  expect(stdout).toContain('Usage: install.sh WHAT...');
});
