/** Identifiers as a dependency. `systemIds` are fit for secrets, `seededIds` are for tests and simulations only. */
import { randomBytes, randomUUID } from 'node:crypto';
import { int, type Random } from './random.ts';

export interface Ids {
  /** A version 4 UUID in lower case. */
  uuid(): string;
  /** `length` lower-case hexadecimal digits. */
  hex(length: number): string;
}

export const systemIds: Ids = {
  uuid: () => randomUUID(),
  hex: (length) =>
    randomBytes(Math.ceil(length / 2))
      .toString('hex')
      .slice(0, length),
};

export function seededIds(random: Random): Ids {
  function hex(length: number): string {
    let digits = '';
    while (digits.length < length) digits += int(random, 0, 15).toString(16);
    return digits;
  }
  function uuid(): string {
    const variant = int(random, 8, 11).toString(16);
    return `${hex(8)}-${hex(4)}-4${hex(3)}-${variant}${hex(3)}-${hex(12)}`;
  }
  return { uuid, hex };
}
