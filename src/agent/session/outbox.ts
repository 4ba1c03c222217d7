/**
 * Brings state changes to control: the newest snapshot of each task, in the order of their numbers, again and again until acknowledged (S7). One
 * batch is under way at a time; what happens meanwhile rides with the next. All memory is the journal's, so a new session starts with everything
 * that is not acknowledged.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { StateAck, StateChanges, TaskState } from '#protocol/session/messages.ts';
import { withinLimits } from './field-limits.ts';
import type { SessionState } from './session-state.ts';

const maximumBatch = 100;
const maximumBatchCharacters = 1024 * 1024;
/** Control answers after one commit; a batch without an answer for this long is sent again. */
const resendAfterMs = 10_000;

export interface OutboxOptions {
  readonly state: Pick<SessionState, 'pendingStateChanges' | 'acknowledge'>;
  readonly clock: Clock;
  readonly logger: Logger;
  send(message: StateChanges): void;
  /** The journal could not be read when a batch was due again. */
  onFailure(error: unknown): void;
}

/** Methods throw what the journal throws. */
export interface Outbox {
  /** Something may be new. */
  wake(): void;
  acknowledged(answer: StateAck): void;
  dispose(): void;
}

export function createOutbox({ state, clock, logger, send, onFailure }: OutboxOptions): Outbox {
  /** Task ARN to number. */
  const underWay = new Map<string, number>();
  let resend: Timer | undefined;

  function sendBatch(): void {
    resend?.cancel();
    underWay.clear();
    const changes = firstThatFit(state.pendingStateChanges(maximumBatch).map(withinLimits));
    if (changes.length === 0) return;
    for (const { taskArn, number } of changes) underWay.set(taskArn, number);
    resend = clock.after(resendAfterMs, () => {
      try {
        sendBatch();
      } catch (error) {
        onFailure(error);
      }
    });
    send({ type: 'stateChanges', changes });
  }

  return {
    wake() {
      if (underWay.size === 0) sendBatch();
    },
    acknowledged({ acks }) {
      for (const { taskArn, rejected } of acks) {
        if (rejected !== undefined) logger.warn({ taskArn, rejected }, 'control rejected a state change');
      }
      state.acknowledge(acks);
      if (underWay.size === 0) return;
      for (const { taskArn, number } of acks)
        if (number >= (underWay.get(taskArn) ?? Infinity)) underWay.delete(taskArn);
      if (underWay.size === 0) sendBatch();
    },
    dispose: () => resend?.cancel(),
  };
}

/** At least one, so that a large one is not stuck for ever. */
function firstThatFit(changes: readonly TaskState[]): TaskState[] {
  const fitting: TaskState[] = [];
  let characters = 0;
  for (const change of changes) {
    characters += JSON.stringify(change).length;
    if (fitting.length > 0 && characters > maximumBatchCharacters) break;
    fitting.push(change);
  }
  return fitting;
}
