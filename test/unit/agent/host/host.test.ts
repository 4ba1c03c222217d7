import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fingerprintOf, readMachineFacts, type MachineFacts } from '#agent/host/fingerprint.ts';
import { EngineError, type EngineDescription } from '#agent/engine/container-engine.ts';
import { createHost, describeHost, type DescribeHost } from '#agent/host/host.ts';
import { listeningPorts, parseSockets } from '#agent/host/listening-ports.ts';
import { canBeSameHardware } from '#model/hardware.ts';
import { fakeDescription } from '#test/support/fake-engine.ts';

const request: DescribeHost = {
  options: {
    agentVersion: '1',
    reservedMemoryMiB: 96,
    reservedPorts: [{ port: 22, protocol: 'tcp' }],
    attributes: [{ name: 'rack', value: 'a' }],
  },
  machine: {
    hostname: 'h',
    cores: 3,
    memoryBytes: 1024.9 * 2 ** 20,
    architecture: 'arm64',
    system: 'Debian 12',
    fingerprint: 'f',
  },
  engine: fakeDescription,
  listening: [
    { port: 22, protocol: 'tcp' },
    { port: 22, protocol: 'udp' },
    { port: 4566, protocol: 'tcp' },
  ],
  gpuIds: ['GPU-1'],
  taskCgroups: true,
  taskNetwork: false,
};

describe('the host', () => {
  test('has 1024 CPU units a core, whole MiB less what is reserved, and each taken port once', () => {
    expect(describeHost(request).resources).toEqual({
      cpu: 3072,
      memoryMiB: 928,
      takenPorts: [
        { port: 22, protocol: 'tcp' },
        { port: 22, protocol: 'udp' },
        { port: 4566, protocol: 'tcp' },
      ],
      gpuIds: ['GPU-1'],
    });
  });

  test('tells what it is and what its operator says', () => {
    expect(describeHost(request).attributes).toEqual(
      expect.arrayContaining([
        { name: 'ecs.cpu-architecture', value: 'arm64' },
        { name: 'ecs.os-type', value: 'linux' },
        { name: 'ecs.availability-zone', value: 'local' },
        { name: 'ecs.instance-type', value: 'berth.3x1' },
        { name: 'rack', value: 'a' },
      ]),
    );
  });

  test('refuses to reserve more memory than there is', () => {
    const options = { ...request.options, reservedMemoryMiB: 2000 };
    expect(() => describeHost({ ...request, options })).toThrow(/ECS_RESERVED_MEMORY reserves 976 MiB more/);
  });
});

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

function row(port: number, state: string, inode: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return `   0: 0100007F:${hex} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0\n`;
}

describe('files of a machine', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-host-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  async function put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }

  async function link(path: string, target: string): Promise<void> {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await symlink(target, join(root, path));
  }

  test('listening ports are those of neither the engine, nor containers, nor clients', async () => {
    await put('net/tcp', header + row(80, '0A', 1) + row(81, '0A', 2) + row(82, '0A', 3) + row(83, '01', 4));
    await put('net/tcp6', header + row(80, '0A', 5));
    await put('net/udp', header + row(53, '07', 6) + row(40_000, '07', 7));
    await put('10/comm', 'docker-proxy\n');
    await link('10/fd/4', 'socket:[2]');
    await put('11/comm', 'nginx\n');
    await put('11/cgroup', `0::/system.slice/docker-${'ab'.repeat(32)}.scope\n`);
    await link('11/fd/4', 'socket:[3]');
    await put('12/comm', 'sshd\n');
    await link('12/fd/4', 'socket:[1]');
    expect(await listeningPorts(root)).toEqual([
      { port: 53, protocol: 'udp' },
      { port: 80, protocol: 'tcp' },
    ]);
  });

  test('the fingerprint is made of the installation, the board and the built-in cards', async () => {
    await put('etc/machine-id', '0123\n');
    await put('sys/class/dmi/id/product_uuid', 'ABCD\n');
    for (const [card, device] of [
      ['eth1', 'devices/pci0/0000:00:04.0'],
      ['eth0', 'devices/pci0/0000:00:03.0'],
      ['usb0', 'devices/pci0/0000:00:05.0/usb1/1-1'],
    ] as const) {
      await mkdir(join(root, 'sys', device), { recursive: true });
      await put(`sys/class/net/${card}/address`, `02:00:00:00:00:0${card.at(-1)}\n`);
      await link(`sys/class/net/${card}/device`, join(root, 'sys', device));
    }
    await put('sys/class/net/docker0/address', '02:42:00:00:00:09\n');
    expect(await readMachineFacts(root)).toEqual({
      machineId: '0123',
      boardId: 'ABCD',
      macAddresses: ['02:00:00:00:00:00', '02:00:00:00:00:01'],
    });
  });

  test('a machine that tells nothing has a fingerprint all the same', async () => {
    expect(fingerprintOf(await readMachineFacts(root))).toMatch(/^[0-9a-f]{16}:$/);
  });
});

describe('a fingerprint', () => {
  const facts = { machineId: 'm', boardId: 'a', macAddresses: ['02:00:00:00:00:01'] };
  const canBeSame = (changes: Partial<MachineFacts>) =>
    canBeSameHardware(fingerprintOf(facts), fingerprintOf({ ...facts, ...changes }));

  test('of a copied disk in another machine is another machine’s', () => {
    expect(canBeSame({ boardId: 'b', macAddresses: ['02:00:00:00:00:02'] })).toBe(false);
    expect(canBeSame({ boardId: 'b', macAddresses: [] })).toBe(false);
  });

  test('is still the machine’s when the board or a card was exchanged', () => {
    expect(canBeSame({ boardId: 'b' })).toBe(true);
    expect(canBeSame({ macAddresses: ['02:00:00:00:00:02'] })).toBe(true);
    expect(canBeSame({ boardId: 'A' })).toBe(true);
  });

  test('that tells of neither board nor card can be anybody’s', () => {
    expect(canBeSame({ boardId: '', macAddresses: [] })).toBe(true);
    expect(canBeSameHardware('of a form that is not known', fingerprintOf(facts))).toBe(true);
  });

  test('has no board where its maker gave it no number of its own', () => {
    for (const boardId of ['03000200-0400-0500-0006-000700080009', '0'.repeat(8), 'FFFFFFFF-FFFF']) {
      expect(fingerprintOf({ ...facts, boardId })).toBe(fingerprintOf({ ...facts, boardId: '' }));
    }
  });

  test('fits into a message however many cards there are', () => {
    const macAddresses = Array.from({ length: 40 }, (_, number) => `02:00:00:00:00:${number}`);
    expect(fingerprintOf({ ...facts, macAddresses }).length).toBeLessThanOrEqual(128);
  });
});

test('IPv6 addresses do not hide the port', () => {
  const table = `${header}   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9 1\n`;
  expect(parseSockets(table, 'tcp')).toEqual([{ port: 443, protocol: 'tcp', inode: '9' }]);
});

describe('a machine whose engine does not answer', () => {
  const silence = new EngineError('unreachable', 'no answer in 10 s');
  const options = { agentVersion: '1', reservedMemoryMiB: 0, reservedPorts: [], attributes: [] };

  test('registers as what it was when it did', async () => {
    const answers: (EngineDescription | EngineError)[] = [{ ...fakeDescription, version: '26.1.5' }, silence];
    const host = createHost({ ...options, engine: { describe: () => settled(answers.shift()) } });
    const before = await host.describe();
    const { versions, attributes } = await host.describe();
    expect(versions.docker).toBe('26.1.5');
    expect(attributes).toEqual(before.attributes);
  });

  test('cannot register as long as it never did', async () => {
    const host = createHost({ ...options, engine: { describe: () => Promise.reject(silence) } });
    await expect(host.describe()).rejects.toBe(silence);
  });

  test('and an answer that is an error is not silence', async () => {
    const refusal = new EngineError('unauthorized', 'permission denied');
    const answers: (EngineDescription | EngineError)[] = [fakeDescription, refusal];
    const host = createHost({ ...options, engine: { describe: () => settled(answers.shift()) } });
    await host.describe();
    await expect(host.describe()).rejects.toBe(refusal);
  });

  function settled(answer: EngineDescription | EngineError | undefined): Promise<EngineDescription> {
    if (answer instanceof EngineError) return Promise.reject(answer);
    return answer === undefined ? Promise.reject(new Error('asked too often')) : Promise.resolve(answer);
  }
});
