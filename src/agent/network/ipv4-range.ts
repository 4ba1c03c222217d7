/** Ranges of IPv4 addresses, written as `10.88.0.0/16`. Pure. */

export interface Ipv4Range {
  /** As numbers, both in the range. */
  first: number;
  last: number;
}

const addressBits = 32;

/** Undefined when it is no IPv4 range, or when its address is not the first of the range. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [, ...parts] = match.map(Number);
  const prefixLength = parts.pop() ?? 0;
  if (prefixLength > addressBits || parts.some((part) => part > 255)) return undefined;
  const first = parts.reduce((address, part) => address * 256 + part, 0);
  const size = 2 ** (addressBits - prefixLength);
  return first % size === 0 ? { first, last: first + size - 1 } : undefined;
}

export function overlap(a: Ipv4Range, b: Ipv4Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function sizeOf({ first, last }: Ipv4Range): number {
  return last - first + 1;
}

/** `10.88.0.0/16`. */
export function formatIpv4Range(range: Ipv4Range): string {
  const address = [24, 16, 8, 0].map((shift) => Math.floor(range.first / 2 ** shift) % 256).join('.');
  return `${address}/${addressBits - Math.log2(sizeOf(range))}`;
}
