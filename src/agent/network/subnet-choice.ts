/** Which addresses the tasks of a machine get: those the operator said, else the first of our candidates that nobody uses. Pure. */
import { formatIpv4Range, overlap, parseIpv4Range, sizeOf, type Ipv4Range } from './ipv4-range.ts';

export interface TakenRange {
  range: Ipv4Range;
  /** E.g. `the route through eth0`. */
  by: string;
}

export type SubnetChoice = { kind: 'free'; subnet: string } | { kind: 'taken'; why: string };

/** 10.88.0.0/16 to 10.119.0.0/16. */
const candidates = Array.from({ length: 32 }, (_, index) => `10.${88 + index}.0.0/16`);

/** Beyond the network's own addresses there must be room for tasks. */
const sizes = { least: 16, most: 2 ** 24 };
const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].flatMap(
  (text) => parseIpv4Range(text) ?? [],
);

/** What an operator may choose: a private range of a sensible size. */
export function isTaskSubnet(text: string): boolean {
  const range = parseIpv4Range(text);
  if (range === undefined || sizeOf(range) < sizes.least || sizeOf(range) > sizes.most) return false;
  return privateRanges.some(({ first, last }) => first <= range.first && range.last <= last);
}

/** `wanted` must be a range, as the configuration made sure. */
export function chooseSubnet(wanted: string | undefined, taken: readonly TakenRange[]): SubnetChoice {
  const wishes = wanted === undefined ? candidates : [wanted];
  const refusals: string[] = [];
  for (const subnet of wishes) {
    const range = parseIpv4Range(subnet);
    if (range === undefined) return { kind: 'taken', why: `${subnet} is no range of IPv4 addresses` };
    const holder = taken.find((other) => overlap(range, other.range));
    if (holder === undefined) return { kind: 'free', subnet };
    refusals.push(`${subnet} overlaps ${formatIpv4Range(holder.range)}, ${holder.by}`);
  }
  const advice = 'set BERTH_TASK_SUBNET to a range that nothing on this machine uses';
  if (wanted !== undefined) return { kind: 'taken', why: `${refusals.join('')}: ${advice}` };
  const last = candidates.at(-1) ?? '';
  return { kind: 'taken', why: `nothing from ${candidates[0]} to ${last} is free (${refusals[0]}): ${advice}` };
}
