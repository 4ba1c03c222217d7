/** What needs a kernel with AppArmor, or all rights over it: AppArmor and seccomp profiles, privileged containers, limits above the machine's own. */
import type { ContainerDefinition } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { container, looking, runToEnd, type Ended } from '../e2e/fields/inside.ts';
import { openVmCell, type VmCell } from './vm-cell.ts';

let cell: VmCell;
beforeAll(async () => {
  cell = await openVmCell();
});
afterAll(() => cell.close());

const looks = looking({
  profile: 'cat /proc/1/attr/current',
  seccomp: 'grep ^Seccomp: /proc/1/status | cut -f2',
  newPrivileges: 'grep NoNewPrivs /proc/1/status | cut -f2',
  effective: 'grep CapEff /proc/1/status | cut -f2',
  nofile: 'ulimit -n; ulimit -Hn',
  priority: 'renice -n -5 1 && echo allowed',
  disks: 'test -b /dev/vda && echo seen || echo hidden',
});

/** CAP_CHOWN (0) to CAP_AUDIT_READ (37): an older engine does not know those that the kernel has got since. */
const knownToEveryEngine = (1n << 38n) - 1n;

const asked: readonly [name: string, changes: Partial<ContainerDefinition>][] = [
  ['plain', {}],
  ['open', { dockerSecurityOptions: ['apparmor:unconfined', 'seccomp:unconfined'] }],
  ['named', { dockerSecurityOptions: ['apparmor=docker-default', 'no-new-privileges'] }],
  ['privileged', { privileged: true }],
  ['many', { ulimits: [{ name: 'nofile', softLimit: 50_000, hardLimit: 100_000 }] }],
  ['rights', { linuxParameters: { capabilities: { add: ['SYS_RESOURCE', 'SYS_NICE'], drop: [] } } }],
];

describe('a machine with AppArmor', () => {
  let ended: Ended;
  beforeAll(async () => {
    ended = await runToEnd(cell, {
      containerDefinitions: [
        ...asked.map(([name, changes]) => container(name, { ...changes, essential: false, command: looks })),
        container('last', {
          command: ['true'],
          dependsOn: asked.map(([containerName]) => ({ containerName, condition: 'COMPLETE' })),
        }),
      ],
    });
  });

  it('says so when it registers', async () => {
    const names = (await cell.instance()).attributes?.map(({ name }) => name);
    expect(names).toContain('com.amazonaws.ecs.capability.apparmor');
    expect(names).toContain('com.amazonaws.ecs.capability.privileged-container');
    expect((await cell.engine.describe()).securityOptions).toEqual(expect.arrayContaining(['apparmor', 'seccomp']));
  });

  it('confines a container that asks for nothing by the profiles of the engine', () => {
    expect(ended.said['plain']).toMatchObject({
      profile: 'docker-default (enforce)',
      seccomp: '2',
      newPrivileges: '0',
    });
  });

  it('lets a container be unconfined, or under a profile by its name', () => {
    expect(ended.said['open']).toMatchObject({ profile: 'unconfined', seccomp: '0' });
    expect(ended.said['named']).toMatchObject({
      profile: 'docker-default (enforce)',
      seccomp: '2',
      newPrivileges: '1',
    });
  });

  it('gives a privileged container every capability, every device, and no confinement', () => {
    const privileged = ended.said['privileged'];
    expect(privileged).toMatchObject({ seccomp: '0', profile: 'unconfined', disks: 'seen' });
    const effective = BigInt(`0x${privileged?.['effective']}`);
    expect(effective & knownToEveryEngine).toBe(knownToEveryEngine);
    expect(BigInt(`0x${ended.said['plain']?.['effective']}`) & knownToEveryEngine).not.toBe(knownToEveryEngine);
    expect(ended.said['plain']).toMatchObject({ disks: 'hidden' });
  });

  it('raises limits beyond those that it has itself', () => {
    expect(ended.said['many']).toMatchObject({ nofile: '50000\n100000' });
  });

  it('gives the capabilities that are asked for', () => {
    expect(ended.said['rights']?.['priority']).toBe('allowed');
    expect(ended.said['plain']?.['priority']).not.toContain('allowed');
  });

  it('refuses a profile that nobody has loaded, in words', async () => {
    const { task } = await runToEnd(cell, {
      containerDefinitions: [
        container('app', { command: ['true'], dockerSecurityOptions: ['apparmor:no-such-profile'] }),
      ],
    });
    expect(task.stopCode).toBe('TaskFailedToStart');
    expect(task.stoppedReason).toMatch(/^Cannot(Create|Start)ContainerError: .*apparmor/s);
  });
});
