/**
 * A Debian 12 machine of its own kernel (cgroup v2, systemd, AppArmor) under qemu's software emulation, on a LAN in a network namespace. Everything on
 * its second disk is at /release in it. Needs root and qemu. Invariant: when it is disposed of, no process, namespace or file of it is left.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';
import { createNamespace, type NetworkNamespace } from './network-namespace.ts';

const execute = promisify(execFile);
const lan = { gateway: '10.77.0.1', machine: '10.77.0.21', netmask: '255.255.255.0', prefix: 24 };
const memoryMiB = 1024;
const stopTimeoutMs = 30_000;
const diskBytes = 4 * 2 ** 30;

export interface Vm extends AsyncDisposable {
  /** Where the LAN is; whoever talks to the machine has to be in it. */
  namespace: string;
  access: VmAccess;
  /** Of the emulator, at its highest. */
  peakMemoryMiB(): Promise<number>;
  /** What the machine said on its console. */
  console(): Promise<string>;
}

/** What it takes to talk to the machine from inside its LAN. */
export interface VmAccess {
  /** Of its LAN, whose bridge is `lan`. */
  namespace: string;
  address: string;
  /** Our own address in its LAN. */
  gateway: string;
  /** File of the key that opens it. */
  key: string;
  /** Socket of the emulator's monitor. */
  monitor: string;
}

/** `place` is that of the tree; `payload` becomes the second disk. */
export async function bootVm(place: string, payload: string): Promise<Vm> {
  await using own = new AsyncDisposableStack();
  const namespace = `berth-vm-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), `${namespace}-`));
  own.defer(() => rm(folder, { recursive: true }));
  await createLan(own.use(await createNamespace(namespace)));

  const system = join(folder, 'system.qcow2');
  const second = join(folder, 'payload.img');
  await execute('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', await systemImage(place), '-F', 'raw', system]);
  await createImage(second, payload, diskBytes / 4);
  const monitor = join(folder, 'monitor');
  const consoleFile = join(folder, 'console');
  await writeFile(consoleFile, '');
  const words = [
    ['qemu-system-x86_64', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-smp', '2', '-m', `${memoryMiB}`],
    ['-display', 'none', '-serial', `file:${consoleFile}`, '-monitor', `unix:${monitor},server,nowait`],
    await kernelOf(place),
    disk(system, 'qcow2'),
    disk(second, 'raw'),
    ['-netdev', 'tap,id=lan,ifname=vm,script=no,downscript=no', '-device', 'virtio-net-pci,netdev=lan'],
    ['-object', 'rng-random,id=random,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=random'],
  ].flat();
  // Detached, so that a Ctrl-C ends the tests and leaves them a machine to tidy.
  const qemu = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  own.defer(() => end(qemu));
  const kept = own.move();
  return {
    namespace,
    access: { namespace, address: lan.machine, gateway: lan.gateway, key: join(place, 'key'), monitor },
    async peakMemoryMiB() {
      const status = await readFile(`/proc/${qemu.pid}/status`, 'utf8');
      return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
    },
    console: () => readFile(consoleFile, 'utf8'),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function createLan({ ip }: NetworkNamespace): Promise<void> {
  await ip('link', 'add', 'lan', 'type', 'bridge');
  await ip('addr', 'add', `${lan.gateway}/${lan.prefix}`, 'dev', 'lan');
  await ip('link', 'set', 'lan', 'up');
  await ip('tuntap', 'add', 'vm', 'mode', 'tap');
  await ip('link', 'set', 'vm', 'master', 'lan', 'up');
}

/** Made once for a tree and only read from then on. */
async function systemImage(place: string): Promise<string> {
  const image = join(place, 'system.img');
  if ((await readdir(place)).includes('system.img')) return image;
  const unfinished = `${image}.${process.pid}`;
  await createImage(unfinished, join(place, 'tree'), diskBytes);
  await rename(unfinished, image);
  return image;
}

async function createImage(file: string, folder: string, bytes: number): Promise<void> {
  await writeFile(file, '');
  await truncate(file, bytes);
  await execute('mkfs.ext4', ['-q', '-F', '-d', folder, file]);
}

async function kernelOf(place: string): Promise<string[]> {
  const boot = join(place, 'tree/boot');
  const names = await readdir(boot);
  const file = (prefix: string): string => join(boot, names.find((name) => name.startsWith(prefix)) ?? prefix);
  const address = `${lan.machine}::${lan.gateway}:${lan.netmask}:berth-vm:eth0:off`;
  const words = ['root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off', `ip=${address}`];
  const append = [...words, 'systemd.hostname=berth-vm'].join(' ');
  return ['-kernel', file('vmlinuz-'), '-initrd', file('initrd.img-'), '-append', append];
}

function disk(file: string, format: 'qcow2' | 'raw'): string[] {
  return ['-drive', `file=${file},if=virtio,format=${format},cache=unsafe`];
}

async function end(qemu: ChildProcess): Promise<void> {
  if (qemu.exitCode !== null || qemu.signalCode !== null) return;
  const ended = new Promise((resolve) => qemu.once('exit', resolve));
  qemu.kill('SIGTERM');
  await deadline(systemClock, stopTimeoutMs, 'the end of the emulator', ended);
}
