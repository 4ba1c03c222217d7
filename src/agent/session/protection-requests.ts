/**
 * What tasks ask of control about their protection. A question waits for its answer through the end of a session and the beginning of the next, where
 * it is asked again, since asking twice does no harm; but no longer than a deadline, because the program in the container waits.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { ProtectionAnswer, ProtectionReply, ProtectionRequest } from '#protocol/session/protection.ts';

/** ecs-agent gives the API so long. */
const patienceMs = 4000;
/** S12. */
const mostWaiting = 64;

export type ProtectionWish = Pick<ProtectionRequest, 'taskArn' | 'change'>;

export type ProtectionResult =
  | ProtectionReply
  /** Control did not answer in time, or cannot be reached. */
  | { readonly kind: 'timeout' }
  | { readonly kind: 'tooMany' };

export interface ProtectionRequests {
  ask(wish: ProtectionWish): Promise<ProtectionResult>;
  /** A session is open: what waits is asked in it. */
  opened(send: (message: ProtectionRequest) => void): void;
  closed(): void;
  answered(message: ProtectionAnswer): void;
}

interface Waiting {
  readonly request: ProtectionRequest;
  readonly timer: Timer;
  conclude(result: ProtectionResult): void;
}

export function createProtectionRequests(clock: Clock): ProtectionRequests {
  const waiting = new Map<string, Waiting>();
  let send: ((message: ProtectionRequest) => void) | undefined;
  let asked = 0;

  function conclude(requestId: string, result: ProtectionResult): void {
    const known = waiting.get(requestId);
    if (known === undefined) return;
    waiting.delete(requestId);
    known.timer.cancel();
    known.conclude(result);
  }

  return {
    async ask(wish) {
      if (waiting.size >= mostWaiting) return { kind: 'tooMany' };
      asked += 1;
      const requestId = `protection-${asked}`;
      const request: ProtectionRequest = { type: 'protectionRequest', requestId, ...wish };
      const answer = Promise.withResolvers<ProtectionResult>();
      const timer = clock.after(patienceMs, () => conclude(requestId, { kind: 'timeout' }));
      waiting.set(requestId, { request, timer, conclude: answer.resolve });
      send?.(request);
      return answer.promise;
    },
    opened(newSend) {
      send = newSend;
      for (const { request } of waiting.values()) newSend(request);
    },
    closed() {
      send = undefined;
    },
    answered: ({ requestId, outcome }) => conclude(requestId, outcome),
  };
}
