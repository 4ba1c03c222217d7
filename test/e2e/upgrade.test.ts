/**
 * `berth upgrade` on hosts with systemd, installed as people do it: an older control and agents are there, control is upgraded, then the agents. A version that does not come up is
 * gone back from by the machine itself. No container notices any of it.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { buildExecutable } from '#test/support/executable.ts';
import { buildTestImage, testImage } from '#test/support/test-images.ts';
import { bootSystemdHosts, type SystemdHost, type SystemdHosts } from '../hosts/systemd-hosts.ts';

const minute = 60_000;
const root = resolve(import.meta.dirname, '../..');
const executable = `berth-linux-${process.arch}`;
const olderCommit = '01de0000';
let releases: string;
let hosts: SystemdHosts;
let control: SystemdHost;
let worker: SystemdHost;
/** As the executables say them. */
let older: string;
let newer: string;

beforeAll(async () => {
  await buildExecutable();
  releases = await mkdtemp(join(tmpdir(), 'berth-releases-'));
  newer = (await promisify(execFile)(join(root, 'dist', executable), ['--version'])).stdout.trim();
  const built = await readFile(join(root, 'dist', executable));
  await addRelease('newer', built);
  older = await addRelease('older', withCommit(built, commitOf(newer), olderCommit));
  hosts = await bootSystemdHosts(['gamma', 'delta'], releases);
  [control, worker] = hosts.hosts as [SystemdHost, SystemdHost];
  await Promise.all(hosts.hosts.map(async (host) => buildTestImage(await host.dockerHost())));
}, 15 * minute);
afterAll(async () => {
  await hosts?.[Symbol.asyncDispose]();
  await rm(releases, { recursive: true, force: true });
}, 5 * minute);

function commitOf(version: string): string {
  const [, commit] = /\+([0-9a-f]{8})(\.changed)?$/.exec(version) ?? [];
  if (commit === undefined) throw new Error(`the build ${version} names no commit`);
  return commit;
}

/** The same program with another commit in it, which is another version to everybody who asks. */
function withCommit(content: Buffer, from: string, to: string): Buffer {
  const changed = Buffer.from(content);
  for (let at = changed.indexOf(from); at >= 0; at = changed.indexOf(from, at + 1)) changed.write(to, at, 'latin1');
  return changed;
}

/** A folder to install from; answers the version that its executable says it is. */
async function addRelease(name: string, content: Buffer): Promise<string> {
  const folder = join(releases, name);
  await mkdir(folder);
  await writeFile(join(folder, executable), content);
  await chmod(join(folder, executable), 0o755);
  await writeFile(join(folder, 'SHA256SUMS'), checksum(content));
  await copyFile(join(root, 'install.sh'), join(folder, 'install.sh'));
  return (await promisify(execFile)(join(folder, executable), ['--version'])).stdout.trim();
}

function checksum(content: Buffer | string): string {
  return `${createHash('sha256').update(content).digest('hex')}  ${executable}\n`;
}

const Instances = z.array(
  z.object({
    ec2InstanceId: z.string(),
    agentConnected: z.boolean(),
    agentUpdateStatus: z.string().optional(),
    versionInfo: z.object({ agentVersion: z.string(), agentHash: z.string().optional() }),
  }),
);

async function instances(): Promise<z.infer<typeof Instances>> {
  return Instances.parse(JSON.parse(await control.run('berth instance list --output json')));
}

async function workersInstance(): Promise<z.infer<typeof Instances>[number]> {
  const machineId = (await worker.run('cat /var/lib/berth-agent/machine-id')).trim();
  const found = (await instances()).find(({ ec2InstanceId }) => ec2InstanceId === machineId);
  if (found === undefined) throw new Error('the worker is not registered');
  return found;
}

async function connectedAgents(count: number): Promise<void> {
  const connected = async () => (await instances()).filter(({ agentConnected }) => agentConnected).length;
  await expect.poll(connected, { timeout: 2 * minute, interval: 500 }).toBe(count);
}

async function containers(host: SystemdHost): Promise<string> {
  return host.run('docker ps -q --no-trunc --filter label=com.amazonaws.ecs.task-arn | sort');
}

async function runningVersion(host: SystemdHost): Promise<string> {
  return (await host.run('/opt/berth/bin/berth --version')).trim();
}

describe('berth upgrade', () => {
  let before: string[];

  it('begins with control and two agents of one older version, and a service on both', async () => {
    expect(older).toContain(olderCommit);
    await control.run(`sh /release/older/install.sh --control --agent --name ${control.address}`);
    const invited = await control.run(`berth instance invite --host ${control.address} --output json`);
    const { activationCode, command } = z
      .object({ activationCode: z.string(), command: z.string() })
      .parse(JSON.parse(invited));
    await worker.run(command.replaceAll('sudo ', 'BERTH_ACTIVATION_CODE=$(cat) '), { input: activationCode });
    await connectedAgents(2);
    const container = { name: 'main', image: testImage, memory: 16, command: ['sleep', '100000'], stopTimeout: 2 };
    const definition = JSON.stringify({ family: 'stays', containerDefinitions: [container] });
    await control.run('cat >/root/stays.json && berth taskdef register /root/stays.json', { input: definition });
    await control.run('berth service create stays --task-definition stays --desired-count 2');
    await expect.poll(() => Promise.all(hosts.hosts.map(containers)), { timeout: minute }).not.toContain('');
    before = await Promise.all(hosts.hosts.map(containers));
    expect(await runningVersion(worker)).toBe(older);
  });

  it('has nothing to do where control has no newer version', async () => {
    expect(await control.run('berth upgrade --all')).toMatch(/current[^]*current/);
  });

  it('leaves agents of the older version at work when control is upgraded', async () => {
    await control.run('sh /release/newer/install.sh --control --agent');
    await connectedAgents(2);
    expect(await runningVersion(control)).toBe(newer);
    expect(await runningVersion(worker)).toBe(older);
    expect(await Promise.all(hosts.hosts.map(containers))).toEqual(before);
  });

  it('goes back by itself from a version that does not come up, and says so', async () => {
    const broken = `#!/bin/sh\n[ "$1" != --version ] || { echo ${newer}; exit 0; }\nexit 1\n`;
    await control.run(`cat >/opt/berth/dist/${executable}`, { input: broken });
    await control.run('cat >/opt/berth/dist/SHA256SUMS', { input: checksum(broken) });
    await expect(control.run('berth upgrade --all 2>&1')).rejects.toThrow(`the agent went back to ${older}`);

    await connectedAgents(2);
    expect(await runningVersion(worker)).toBe(older);
    expect(await workersInstance()).toMatchObject({ agentUpdateStatus: 'FAILED' });
    expect(await worker.run('journalctl --no-pager -o cat -u berth-agent')).toContain('going back to');
    expect(await Promise.all(hosts.hosts.map(containers))).toEqual(before);
  });

  it('takes nothing that is not what the release says', async () => {
    await control.run(`printf ' ' >>/opt/berth/dist/${executable}`);
    await expect(control.run('berth upgrade --all 2>&1')).rejects.toThrow(/SHA-256|bytes/);
    expect(await runningVersion(worker)).toBe(older);
    expect(await worker.run('ls /opt/berth/versions | grep new || :')).toBe('');
  });

  it('brings the agent to the version of control, and touches no container', async () => {
    await control.run(`cp /release/newer/${executable} /release/newer/SHA256SUMS /opt/berth/dist/`);
    expect(await control.run('berth upgrade --all')).toMatch(/updated/);

    expect(await runningVersion(worker)).toBe(newer);
    expect(await workersInstance()).toMatchObject({ agentUpdateStatus: 'UPDATED', agentConnected: true });
    expect(await worker.run('ls /opt/berth/versions; ls /opt/berth/trial 2>/dev/null || :')).toBe(
      `${[older, newer].toSorted().join('\n')}\n`,
    );
    expect(await Promise.all(hosts.hosts.map(containers))).toEqual(before);
  });
});
