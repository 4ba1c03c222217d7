/**
 * The installer on a machine with cgroup v2, which joins the control service of another host (of systemd-nspawn, in its LAN) by the command of an invitation. What is installed keeps its
 * promises there: containers outlive the services, a shutdown drains, the way back leaves what it says. Control is installed on the machine at the end: an emulated one has not the
 * time for both.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
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
import { fillRelease } from '#test/support/release.ts';
import { buildTestImage, testImage } from '#test/support/test-images.ts';
import { exposureIn } from '#test/support/unit-exposure.ts';
import { bootSystemdHosts, type SystemdHost, type SystemdHosts } from '../hosts/systemd-hosts.ts';
import { patiently, reachMachine, type Machine } from './machine.ts';
import { setEngine } from './vm-cell.ts';

const memory = 24;
const mebibyte = 2 ** 20;
const Findings = z.array(z.object({ check: z.string(), verdict: z.string(), found: z.string() }));
let machine: Machine;
let release: string;
let hosts: SystemdHosts;
let control: SystemdHost;

beforeAll(async () => {
  machine = await reachMachine();
  await setEngine(machine, {});
  release = await mkdtemp(join(tmpdir(), 'berth-release-'));
  await fillRelease(release);
  const { address, namespace } = machine.access;
  const network = address.slice(0, address.lastIndexOf('.'));
  hosts = await bootSystemdHosts(['epsilon'], release, { namespace, bridge: 'lan', network, from: 31 });
  [control] = hosts.hosts as [SystemdHost];
  for (const dockerHost of [machine.dockerHost, await control.dockerHost()]) await buildTestImage(dockerHost);
  // Whoever takes minutes to boot is not lost by that.
  await control.run('mkdir -p /etc/systemd/system/berth-control.service.d');
  await control.run('cat >/etc/systemd/system/berth-control.service.d/patience.conf', {
    input: '[Service]\nEnvironment=BERTH_LOST_AFTER=3600\n',
  });
  await control.run(`sh /release/install.sh --control --agent --name ${control.address}`);
});
afterAll(async () => {
  await hosts?.[Symbol.asyncDispose]();
  await machine?.close();
  await rm(release, { recursive: true, force: true });
});

async function bothAgents(): Promise<void> {
  await patiently('both agents', async () => (await connectedAgentsOf(control)) === 2);
}

async function exposureOf(unit: string): Promise<number> {
  return exposureIn(await machine.run(`systemd-analyze security --no-pager ${unit}`));
}

describe('install.sh on a machine with cgroup v2', () => {
  it('makes a host of it, by the command of an invitation', async () => {
    const said = await accept(machine, await invite(control, control.address));

    expect(said).toContain('cgroups: version 2');
    expect(said).toContain('berth-agent runs');
    await bothAgents();
    expect((await instancesOf(control)).map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE']);
  });

  it('installs a unit that its systemd finds as little exposed as promised', async () => {
    expect(await exposureOf('berth-agent.service')).toBeLessThanOrEqual(5.0);
  });

  it('leaves a machine that berth doctor finds fit', async () => {
    // It waits 5 seconds for the engine and for control, who may need longer here while they are at work.
    const findings = await patiently('a machine with nothing broken', async () => {
      const seen = Findings.parse(JSON.parse(await machine.run('berth doctor --output json || :')));
      return seen.every(({ verdict }) => verdict !== 'broken') && seen;
    });

    expect(findings).toContainEqual({ check: 'control groups', verdict: 'ok', found: 'version 2: cpu, memory, pids' });
  });
});

describe('a service of 4', () => {
  let before: string[];

  it('spreads over both hosts, and the kernel holds its containers to their memory', async () => {
    await createService(control, { name: 'spread', image: testImage, memory, desiredCount: 4 });
    await twoRunOnEach();

    before = await containersOf(machine);
    for (const id of before) {
      const pid = await machine.run(`docker inspect -f '{{.State.Pid}}' ${id}`);
      const group = (await machine.read(`/proc/${pid}/cgroup`)).slice('0::'.length);
      expect(await machine.read(`/sys/fs/cgroup${group}/memory.max`)).toBe(`${memory * mebibyte}`);
    }
  });

  it('outlives the stop of the agent, which takes it up again', async () => {
    await machine.run('systemctl stop berth-agent');
    await patiently('the agent to be away', async () => (await connectedAgentsOf(control)) === 1);
    expect(await containersOf(machine)).toEqual(before);

    await machine.run('systemctl start berth-agent');
    await bothAgents();
    await twoRunOnEach();
    expect(await containersOf(machine)).toEqual(before);
  });

  async function twoRunOnEach(): Promise<void> {
    await patiently('two tasks that run on each host', async () =>
      (await instancesOf(control)).every(({ runningTasksCount }) => runningTasksCount === 2),
    );
  }
});

describe('a reboot', () => {
  it('drains the machine, which is ACTIVE again when it is back', async () => {
    await machine.reboot();

    const agent = await machine.run('journalctl --no-pager -o cat -u berth-agent -b -1');
    expect(agent).toContain('the machine goes down; its tasks may move');
    expect(agent).toContain('"goesDown":true');
    expect(agent).not.toContain('before all of its tasks have moved');
    expect(await control.run('journalctl --no-pager -o cat -u berth-control')).toContain('"drained":true,"others":1');
    await patiently('both machines', async () =>
      (await instancesOf(control)).every(({ status, agentConnected }) => status === 'ACTIVE' && agentConnected),
    );
    await patiently('four tasks', async () => {
      const counts = (await instancesOf(control)).map(({ runningTasksCount }) => runningTasksCount);
      return counts.reduce((sum, count) => sum + count, 0) === 4;
    });
  });
});

describe('--uninstall', () => {
  let before: string[];

  it('leaves the containers running, and the settings', async () => {
    // All four are on the other host since the reboot.
    await createService(control, { name: 'again', image: testImage, memory, desiredCount: 4 });
    await patiently('eight tasks', async () => {
      const counts = (await instancesOf(control)).map(({ runningTasksCount }) => runningTasksCount);
      return counts.reduce((sum, count) => sum + count, 0) === 8;
    });
    before = await containersOf(machine);
    expect(before.length).toBeGreaterThanOrEqual(2);
    await machine.run('sh /release/install.sh --uninstall');

    expect(await containersOf(machine)).toEqual(before);
    expect(await machine.run('ls /etc/berth; ls -d /opt/berth /usr/local/bin/berth 2>/dev/null || :')).toBe(
      'agent.env',
    );
  });

  it('is taken back by installing again', async () => {
    await accept(machine, await invite(control, control.address));
    await bothAgents();
    expect(await containersOf(machine)).toEqual(before);
  });

  it('with --purge leaves nothing', async () => {
    await machine.run('sh /release/install.sh --uninstall --purge');

    expect(await containersOf(machine)).toEqual([]);
    expect(await machine.run('docker ps -aq; docker volume ls -q; docker network ls -q --filter type=custom')).toBe('');
    await expectNothingLeft();
  });
});

describe('install.sh --control on a machine with cgroup v2', () => {
  it('makes a control service of it, as little exposed as promised', async () => {
    const said = await machine.run(`sh /release/install.sh --control --name ${machine.access.address} 2>&1`);

    expect(said).toContain('berth-control runs');
    expect(await exposureOf('berth-control.service')).toBeLessThanOrEqual(3.0);
    expect(await instancesOf(machine)).toEqual([]);
  });

  it('leaves nothing after --uninstall --purge', async () => {
    await machine.run('sh /release/install.sh --uninstall --purge');
    await expectNothingLeft();
  });
});

async function expectNothingLeft(): Promise<void> {
  // What comes and goes while one looks makes find end with 1.
  const named = (where: string, name: string) => machine.run(`find ${where} -iname '${name}' 2>/dev/null || :`);
  expect(await machine.run(whatIsLeft)).toBe('');
  // The installer itself, which the command of the invitation has fetched.
  expect(await named('/ -xdev ! -name berth-install.sh', '*berth*')).toBe('');
  expect(await named('/run /sys/fs/cgroup', '*berth*')).toBe('');
  expect(await named('/run /sys/fs/cgroup', 'ecs*')).toBe('');
  expect(await machine.run('systemctl list-units --all --no-legend "*berth*" "*ecs*"')).toBe('');
}
