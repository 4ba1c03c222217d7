/**
 * What makes this machine this machine (model/hardware.ts): the installation's id, the board's id, and the built-in network cards. Two machines that
 * share a copied disk share the first alone. The host name is left out because people change it, USB cards because people unplug them.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

export interface MachineFacts {
  machineId: string;
  /** Empty where the board has none of its own. */
  boardId: string;
  /** Sorted. */
  macAddresses: readonly string[];
}

/** What boards say whose maker gave them no number. */
const numbersOfNobody = new Set(['03000200-0400-0500-0006-000700080009', '12345678-1234-5678-90ab-cddeefaabbcc']);
/** As many as a fingerprint of 128 characters has room for. */
const mostFacts = 6;

export function fingerprintOf({ machineId, boardId, macAddresses }: MachineFacts): string {
  const board = boardId.toLowerCase();
  const isOwn = !numbersOfNobody.has(board) && !/^(?:|[0-]+|[f-]+)$/u.test(board);
  const facts = [...(isOwn ? [`board ${board}`] : []), ...macAddresses.map((each) => `card ${each.toLowerCase()}`)];
  return `${digest(machineId)}:${facts.slice(0, mostFacts).map(digest).join('.')}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** What cannot be read is left empty. `root` is another one than / in tests. */
export async function readMachineFacts(root: string = '/'): Promise<MachineFacts> {
  const [machineId, productUuid, serialNumber, macAddresses] = await Promise.all([
    textOf(join(root, 'etc/machine-id')),
    textOf(join(root, 'sys/class/dmi/id/product_uuid')),
    // Of boards with ARM processors, which have no DMI.
    textOf(join(root, 'sys/firmware/devicetree/base/serial-number')),
    builtInMacAddresses(join(root, 'sys/class/net')),
  ]);
  return { machineId, boardId: productUuid || serialNumber, macAddresses };
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
  return (await readFile(path, 'utf8').catch(unreadable(''))).replace('\0', '').trim();
}

function unreadable<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code !== undefined) return instead;
    throw error;
  };
}
