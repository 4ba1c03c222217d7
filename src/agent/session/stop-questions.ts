/**
 * Asks whether tasks that a complete set lacks shall stop, until control has answered. A list alone never stops anything (S5): only what was
 * asked for in this session and confirmed under a number newer than everything saved.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { StopConfirm, StopQuery } from '#protocol/session/messages.ts';

const maximumTasksPerQuery = 1000;
const askAgainAfterMs = 30_000;

export interface StopQuestions {
  /** Replaces what was asked before. `number`: that of the complete set. */
  ask(number: number, taskArns: readonly string[]): void;
  /** The tasks of the answer that were asked for. */
  answered(answer: StopConfirm): string[];
  dispose(): void;
}

export function createStopQuestions(clock: Clock, send: (message: StopQuery) => void): StopQuestions {
  const asked = new Set<string>();
  let queries: StopQuery[] = [];
  let unanswered = 0;
  let again: Timer | undefined;

  function sendAll(): void {
    again?.cancel();
    unanswered = queries.length;
    again = clock.after(askAgainAfterMs, sendAll);
    for (const query of queries) send(query);
  }

  return {
    ask(number, taskArns) {
      for (const taskArn of taskArns) asked.add(taskArn);
      queries = [];
      for (let first = 0; first < taskArns.length; first += maximumTasksPerQuery) {
        queries.push({ type: 'stopQuery', number, taskArns: taskArns.slice(first, first + maximumTasksPerQuery) });
      }
      if (queries.length > 0) sendAll();
    },
    answered({ taskArns }) {
      unanswered -= 1;
      if (unanswered <= 0) again?.cancel();
      return taskArns.filter((taskArn) => asked.has(taskArn));
    },
    dispose: () => again?.cancel(),
  };
}
