/** The IPv4 routes of this machine, as the kernel lists them: addresses that are in use already. */
import { readFile } from 'node:fs/promises';
import type { TakenRange } from './subnet-choice.ts';

const routeTable = '/proc/net/route';

export async function readHostRoutes(): Promise<TakenRange[]> {
  return hostRoutes(await readFile(routeTable, 'utf8'));
}

/** Columns: interface, destination, gateway, flags, three numbers, mask; addresses in hexadecimal, last byte first. The default route takes nothing. */
export function hostRoutes(table: string): TakenRange[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line): TakenRange[] => {
      const [name = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/);
      const first = addressOf(destination);
      const bits = addressOf(mask);
      if (first === undefined || bits === undefined || bits === 0) return [];
      return [
        { range: { first, last: first + (0xffff_ffff - bits) }, by: `which this machine routes through ${name}` },
      ];
    });
}

function addressOf(hexadecimal: string): number | undefined {
  if (!/^[0-9A-Fa-f]{8}$/.test(hexadecimal)) return undefined;
  const bytes = hexadecimal.match(/../g) ?? [];
  return bytes.toReversed().reduce((address, byte) => address * 256 + Number.parseInt(byte, 16), 0);
}
