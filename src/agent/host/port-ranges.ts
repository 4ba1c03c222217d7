/**
 * Finds host ports in a row for a `containerPortRange`: the engine gives single ports only. What it gave out is kept from others for a while,
 * because between the choice and the container's start nobody listens there yet. The engine has the last word: a port that somebody else took
 * meanwhile fails the start of the container.
 */
import type { Clock } from '#lib/clock.ts';
import { int, type Random } from '#lib/random.ts';
import type { HostPort, TransportProtocol } from '#model/resources.ts';

export interface PortRanges {
  /** The first of `length` free host ports in a row; undefined when there are none. */
  choose(length: number, protocol: TransportProtocol): Promise<number | undefined>;
}

export interface PortRangesOptions {
  /** Every port that has a socket on this host, or shall not be given out. */
  used(): Promise<readonly HostPort[]>;
  clock: Clock;
  random: Random;
}

/** ECS's range for ports that the host chooses: the kernel's usual one for clients. */
export const dynamicPorts = { first: 32_768, last: 60_999 };
/** Longer than a container takes from its creation to its start. */
const keptForMs = 5 * 60_000;

export function createPortRanges({ used, clock, random }: PortRangesOptions): PortRanges {
  let kept: (HostPort & { until: number })[] = [];

  return {
    async choose(length, protocol) {
      const inUse = await used();
      const now = clock.now();
      kept = kept.filter(({ until }) => until > now);
      const taken = new Set<number>();
      for (const one of [...inUse, ...kept]) {
        if (one.protocol === protocol) taken.add(one.port);
      }
      const start = int(random, dynamicPorts.first, dynamicPorts.last);
      const first = firstInARow(length, taken, start);
      if (first === undefined) return undefined;
      for (let port = first; port < first + length; port++) kept.push({ port, protocol, until: now + keptForMs });
      return first;
    },
  };
}

/** Looks upwards from `start`, then from the beginning of the range. */
function firstInARow(length: number, taken: ReadonlySet<number>, start: number): number | undefined {
  return (
    rowBetween(start, dynamicPorts.last, length, taken) ??
    rowBetween(dynamicPorts.first, dynamicPorts.last, length, taken)
  );
}

function rowBetween(from: number, to: number, length: number, taken: ReadonlySet<number>): number | undefined {
  let first = from;
  for (let port = from; port <= to; port++) {
    if (taken.has(port)) first = port + 1;
    else if (port - first + 1 === length) return first;
  }
  return undefined;
}
