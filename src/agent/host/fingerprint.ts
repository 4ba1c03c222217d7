/**
 * A hash over what makes this machine this machine: the installation's id, the board's id, and the built-in network cards. Two machines that
 * share a copied disk share the first alone. The host name is left out because people change it, USB cards because people unplug them.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

export interface MachineFacts {
  machineId: string;
  productUuid: string;
  /** Sorted. */
  macAddresses: readonly string[];
}

/** 64 hexadecimal digits. */
export function fingerprintOf({ machineId, productUuid, macAddresses }: MachineFacts): string {
  const facts = [machineId, productUuid, ...macAddresses].map((fact) => fact.trim().toLowerCase());
  return createHash('sha256').update(facts.join('\n')).digest('hex');
}

/** What cannot be read is left empty. `root` is another one than / in tests. */
export async function readMachineFacts(root: string = '/'): Promise<MachineFacts> {
  const [machineId, productUuid, macAddresses] = await Promise.all([
    textOf(join(root, 'etc/machine-id')),
    textOf(join(root, 'sys/class/dmi/id/product_uuid')),
    builtInMacAddresses(join(root, 'sys/class/net')),
  ]);
  return { machineId, productUuid, macAddresses };
}

async function builtInMacAddresses(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(unreadable<string[]>([]));
  const found = await Promise.all(
    names.map(async (name) => {
      // Only hardware has a device; bridges, tunnels and the like have none.
      const device = await realpath(join(folder, name, 'device')).catch(unreadable(''));
      return device === '' || /\/usb\d*\//.test(device) ? '' : textOf(join(folder, name, 'address'));
    }),
  );
  return found.filter((address) => address !== '').toSorted();
}

async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(unreadable(''))).trim();
}

function unreadable<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code !== undefined) return instead;
    throw error;
  };
}
