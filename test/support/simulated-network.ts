/**
 * The network between agents and control: every connection is a linked pair with its own delays, and each host has its own weather. A cut may be
 * noticed by both ends at once or by nobody; a stall delivers everything later; both also refuse new connections meanwhile. Processes that
 * die take their connections with them. After `clearUp` the network is slow at worst.
 */
import { int, type Random } from '#lib/random.ts';
import type { Clock } from '#lib/clock.ts';
import type { Connector } from '#agent/session/connector.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { createLinkedPair, type Direction, type LinkedPair } from './linked-pair.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface Delivery {
  readonly host: string;
  readonly direction: Direction;
  readonly text: string;
  /** A second arrival of the same message. */
  readonly repeated: boolean;
}

export interface SimulatedNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Right before a message is handed to its receiver. */
  onDeliver(delivery: Delivery): void;
  onLink(host: string, what: string): void;
}

/** `noticed`: both ends learn of it. `silent`: nobody does. `toControl`, `toAgent`: only that direction is lost, silently. */
export type CutKind = 'noticed' | 'silent' | Direction;

export interface SimulatedNetwork {
  /** From now on `process` takes the connections; until it dies. */
  listen(process: SimulatedProcess, accept: (link: Link, remote: string) => LinkHandlers): void;
  connectorOf(host: string, process: SimulatedProcess): Connector;
  cut(host: string, kind: CutKind, ms: number): void;
  stall(host: string, ms: number): void;
  /** Ends the connection, and nothing more. */
  reset(host: string): void;
  /** Ends all bad weather for good. */
  clearUp(): void;
}

interface Weather {
  cutUntil: number;
  stalledUntil: number;
  pair: LinkedPair | undefined;
}

const duplicatesPerMille = 15;
const slowPerMille = 20;
/** A repetition comes soon after what it repeats. */
const rememberedMessages = 8;
/** A WebSocket never reorders. Above 0 seeds fail: a complete set that later assignments overtake is ignored, and with it its stop questions. */
const reorderingLinksPercent = 0;

export function createSimulatedNetwork(options: SimulatedNetworkOptions): SimulatedNetwork {
  const { clock, random, onLink } = options;
  const hosts = new Map<string, Weather>();
  let listener: { process: SimulatedProcess; accept(link: Link, remote: string): LinkHandlers } | undefined;
  let fair = false;

  function weatherOf(host: string): Weather {
    const known = hosts.get(host);
    if (known !== undefined) return known;
    const weather: Weather = { cutUntil: 0, stalledUntil: 0, pair: undefined };
    hosts.set(host, weather);
    return weather;
  }

  function chance(perMille: number): boolean {
    return !fair && int(random, 1, 1000) <= perMille;
  }

  function delayMs(weather: Weather): number {
    const stalled = Math.max(0, weather.stalledUntil - clock.now());
    return stalled + (chance(slowPerMille) ? int(random, 200, 3000) : int(random, 1, 40));
  }

  /** Handlers that tell what is delivered, and deliver nothing to the dead. */
  function watched(host: string, direction: Direction, receiver: SimulatedProcess, handlers: LinkHandlers) {
    const recent: string[] = [];

    function deliver(text: string): void {
      const repeated = recent.includes(text) && !text.includes('"heartbeat"');
      recent.push(text);
      if (recent.length > rememberedMessages) recent.shift();
      options.onDeliver({ host, direction, text, repeated });
      handlers.message(text);
    }

    return {
      message: (text: string) => receiver.arrives(() => deliver(text)),
      closed: (code: number, reason: string) => receiver.arrives(() => handlers.closed(code, reason)),
    };
  }

  function dieWith(process: SimulatedProcess, pair: LinkedPair): void {
    process.onKill(() => clock.after(int(random, 1, 50), () => pair.cut()));
  }

  async function connect(host: string, agent: SimulatedProcess, handlers: LinkHandlers, signal: AbortSignal) {
    const weather = weatherOf(host);
    await agent.clock.sleep(delayMs(weather), signal);
    // A listener that stands still accepts nothing; the kernel's queue for it is not worth simulating.
    if (
      clock.now() < weather.cutUntil ||
      listener === undefined ||
      !listener.process.alive ||
      listener.process.paused
    ) {
      throw new Error(clock.now() < weather.cutUntil ? 'no route to host' : 'connection refused');
    }
    const control = listener;
    const pair = createLinkedPair({
      clock,
      faults: {
        delayMs: () => delayMs(weather),
        copies: () => (chance(duplicatesPerMille) ? 2 : 1),
        reorders: chance(reorderingLinksPercent * 10),
      },
    });
    const controlHandlers = control.accept(pair.controlEnd, host);
    pair.attach({
      agent: watched(host, 'toAgent', agent, handlers),
      control: watched(host, 'toControl', control.process, controlHandlers),
    });
    dieWith(agent, pair);
    dieWith(control.process, pair);
    weather.pair = pair;
    onLink(host, 'connected');
    return pair.agentEnd;
  }

  return {
    listen(process, accept) {
      listener = { process, accept };
    },
    connectorOf: (host, process) => (handlers, signal) => process.hears(() => connect(host, process, handlers, signal)),
    cut(host, kind, ms) {
      const weather = weatherOf(host);
      weather.cutUntil = Math.max(weather.cutUntil, clock.now() + ms);
      if (kind === 'noticed') weather.pair?.cut();
      else weather.pair?.freeze(kind === 'silent' ? undefined : kind);
    },
    stall(host, ms) {
      const weather = weatherOf(host);
      weather.stalledUntil = Math.max(weather.stalledUntil, clock.now() + ms);
    },
    reset(host) {
      weatherOf(host).pair?.cut();
    },
    clearUp() {
      fair = true;
      for (const weather of hosts.values()) {
        weather.cutUntil = 0;
        weather.stalledUntil = 0;
      }
    },
  };
}
