/**
 * Two ends of a link in one process, on an injected clock, with faults on demand. Every delivery goes through the clock, so nothing arrives
 * synchronously and a manual clock decides when. By default the pair behaves like TCP: in order, exactly once, until it is cut.
 */
import type { Clock } from '#lib/clock.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';

/** Who sends. */
export type Direction = 'toControl' | 'toAgent';

/** What happens to each message. A hook that is left out does no harm. */
export interface LinkFaults {
  /** Until it arrives; 0 by default. Later messages wait for earlier ones unless `reorders`. */
  delayMs?(direction: Direction, text: string): number;
  /** How often it arrives: 0 loses it, 2 duplicates it; 1 by default. */
  copies?(direction: Direction, text: string): number;
  /** Lets a message overtake one with a longer delay; never so on a real link. */
  readonly reorders?: boolean;
}

export interface LinkedPairOptions {
  readonly clock: Clock;
  readonly faults?: LinkFaults;
  /** Sees every message as it is sent. */
  onSend?(direction: Direction, text: string): void;
}

/** WebSocket's code for an end without a closing handshake. */
export const abnormalClosure = 1006;

export interface LinkedPair {
  /** The agent's end: what it sends goes to control. */
  readonly agentEnd: Link;
  readonly controlEnd: Link;
  /** Must be called before the first delivery. */
  attach(ends: { agent: LinkHandlers; control: LinkHandlers }): void;
  /** Both ends learn of it at once; what is under way is lost. */
  cut(): void;
  /** Nobody learns of it: what is sent from now on is lost, until the ends give up. */
  freeze(direction?: Direction): void;
  readonly open: boolean;
}

interface End {
  handlers: LinkHandlers | undefined;
  closed: boolean;
  /** When the last message in order arrives. */
  busyUntil: number;
  buffered: number;
}

export function createLinkedPair({ clock, faults = {}, onSend }: LinkedPairOptions): LinkedPair {
  const agent: End = { handlers: undefined, closed: false, busyUntil: 0, buffered: 0 };
  const control: End = { handlers: undefined, closed: false, busyUntil: 0, buffered: 0 };
  const frozen = new Set<Direction>();

  function schedule(receiver: End, delayMs: number, deliver: () => void): void {
    const at = faults.reorders ? clock.now() + delayMs : Math.max(clock.now() + delayMs, receiver.busyUntil);
    receiver.busyUntil = Math.max(receiver.busyUntil, at);
    clock.after(at - clock.now(), deliver);
  }

  function tellClosed(end: End, code: number, reason: string): void {
    if (end.closed) return;
    end.closed = true;
    end.handlers?.closed(code, reason);
  }

  function linkOf(direction: Direction, sender: End, receiver: End): Link {
    return {
      send(text) {
        if (sender.closed) return;
        onSend?.(direction, text);
        if (frozen.has(direction)) {
          sender.buffered += text.length;
          return;
        }
        const copies = faults.copies?.(direction, text) ?? 1;
        for (let copy = 0; copy < copies; copy++) {
          schedule(receiver, faults.delayMs?.(direction, text) ?? 0, () => {
            if (!receiver.closed) receiver.handlers?.message(text);
          });
        }
      },
      get bufferedBytes() {
        return sender.buffered;
      },
      close(code, reason) {
        if (sender.closed) return;
        clock.after(0, () => tellClosed(sender, code, reason));
        if (frozen.has(direction)) return;
        schedule(receiver, faults.delayMs?.(direction, '') ?? 0, () => tellClosed(receiver, code, reason));
      },
      terminate() {
        if (sender.closed) return;
        clock.after(0, () => tellClosed(sender, abnormalClosure, 'terminated'));
        if (!frozen.has(direction))
          clock.after(0, () => tellClosed(receiver, abnormalClosure, 'the other end is gone'));
      },
    };
  }

  return {
    agentEnd: linkOf('toControl', agent, control),
    controlEnd: linkOf('toAgent', control, agent),
    attach(ends) {
      agent.handlers = ends.agent;
      control.handlers = ends.control;
    },
    cut() {
      tellClosed(agent, abnormalClosure, 'cut');
      tellClosed(control, abnormalClosure, 'cut');
    },
    freeze(direction) {
      for (const one of direction === undefined ? (['toControl', 'toAgent'] as const) : [direction]) frozen.add(one);
    },
    get open() {
      return !agent.closed && !control.closed;
    },
  };
}

export interface LinkNetwork {
  /** The agent's way to the sessions; a new pair at each attempt. */
  connect(handlers: LinkHandlers, signal: AbortSignal): Promise<Link>;
  /** The pair of the last attempt. */
  readonly current: LinkedPair | undefined;
  /** While set, attempts fail as if nobody listened. */
  unreachable: boolean;
  /** Attempts so far, the failed ones included. */
  readonly attempts: number;
}

export interface LinkNetworkOptions extends LinkedPairOptions {
  /** What listens at control, e.g. `sessions.accept`. Asked at each attempt, so that control may be replaced. */
  listener(): ((link: Link, remote: string) => LinkHandlers) | undefined;
  readonly remote?: string;
}

/** A Connector over linked pairs. */
export function createLinkNetwork(options: LinkNetworkOptions): LinkNetwork {
  let current: LinkedPair | undefined;
  let attempts = 0;

  const network: LinkNetwork = {
    async connect(handlers, signal) {
      attempts += 1;
      await options.clock.sleep(options.faults?.delayMs?.('toControl', '') ?? 0, signal);
      const accept = options.listener();
      if (network.unreachable || accept === undefined) throw new Error('nobody listens');
      const pair = createLinkedPair(options);
      pair.attach({ agent: handlers, control: accept(pair.controlEnd, options.remote ?? 'test') });
      current = pair;
      return pair.agentEnd;
    },
    get current() {
      return current;
    },
    unreachable: false,
    get attempts() {
      return attempts;
    },
  };
  return network;
}
