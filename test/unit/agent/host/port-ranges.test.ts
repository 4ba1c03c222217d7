/** Host ports in a row, for a range of ports of a container. */
import { describe, expect, it } from 'vitest';
import { createPortRanges, dynamicPorts } from '#agent/host/port-ranges.ts';
import { seededRandom } from '#lib/random.ts';
import type { HostPort } from '#model/resources.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const { first, last } = dynamicPorts;

function choosing(usedPorts: readonly number[], at = first) {
  const clock = new ManualClock();
  const used = async (): Promise<HostPort[]> => usedPorts.map((port) => ({ port, protocol: 'tcp' }));
  const random = { next: () => (at - first) / (last - first + 1) };
  return { clock, ranges: createPortRanges({ used, clock, random }) };
}

function portsExcept(...free: number[]): number[] {
  const all = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return all.filter((port) => !free.includes(port));
}

describe('a range of host ports', () => {
  it('lies in the dynamic range, wherever the search begins', async () => {
    const { clock } = choosing([]);
    const ranges = createPortRanges({ used: async () => [], clock, random: seededRandom(1) });
    const chosen = await Promise.all([1, 10, 100].map(async (length) => [length, await ranges.choose(length, 'tcp')]));
    for (const [length = 0, port = 0] of chosen) {
      expect(port).toBeGreaterThanOrEqual(first);
      expect(port + length - 1).toBeLessThanOrEqual(last);
    }
  });

  it('goes around ports in use, of the same protocol', async () => {
    expect(await choosing([first + 2, first + 4]).ranges.choose(3, 'tcp')).toBe(first + 5);
    expect(await choosing([first + 2, first + 4]).ranges.choose(3, 'udp')).toBe(first);
  });

  it('begins anew at the bottom when there is no room to the top', async () => {
    expect(await choosing([], last - 1).ranges.choose(3, 'tcp')).toBe(first);
  });

  it('is not given twice while a container may still be on its way to listen there', async () => {
    const { clock, ranges } = choosing([]);
    expect([await ranges.choose(3, 'tcp'), await ranges.choose(3, 'tcp')]).toEqual([first, first + 3]);
    await clock.advance(5 * 60_000);
    expect(await ranges.choose(3, 'tcp')).toBe(first);
  });

  it('is not there when there are free ports, but not in a row', async () => {
    expect(await choosing(portsExcept(40_000, 40_002)).ranges.choose(2, 'tcp')).toBeUndefined();
    expect(await choosing(portsExcept(40_000, 40_001)).ranges.choose(2, 'tcp')).toBe(40_000);
  });
});
