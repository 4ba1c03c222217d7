/** The parent's end of the process of simulated agents. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { AgentsAnswer, AgentsCommand, AgentsRequest } from './agents-process.ts';
import type { Counters } from './simulated-agent.ts';

export interface Agents {
  readonly pid: number;
  /** Resolves when all are welcomed. */
  connect(url: string, token: string, count: number): Promise<Counters>;
  counters(): Promise<Counters>;
  /** The first `count` fail at once. */
  fail(count: number): Promise<Counters>;
  close(): Promise<void>;
}

export function startAgents(): Agents {
  const child = fork(join(import.meta.dirname, 'agents-process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, { resolve(counters: Counters): void; reject(error: Error): void }>();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let nextId = 0;
  child.on('message', ({ id, counters }: AgentsAnswer) => {
    waiting.get(id)?.resolve(counters);
    waiting.delete(id);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process of the simulated agents ended'));
    waiting.clear();
  });

  function ask(command: AgentsCommand): Promise<Counters> {
    const request: AgentsRequest = { id: nextId++, command };
    return new Promise((resolve, reject) => {
      waiting.set(request.id, { resolve, reject });
      child.send(request);
    });
  }

  return {
    pid: child.pid ?? 0,
    connect: (url, token, count) => ask({ kind: 'connect', url, token, count }),
    counters: () => ask({ kind: 'counters' }),
    fail: (count) => ask({ kind: 'fail', count }),
    async close() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
