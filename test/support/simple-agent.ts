/** A real agent's session over a link with faults, and instead of an engine tasks that start and stop a moment after the agent is told. */
import { hostFacts } from './agent-session-under-test.ts';
import { createLinkNetwork, type LinkNetwork } from './linked-pair.ts';
import { createMemorySessionState, type MemorySessionState } from './memory-session-state.ts';
import { createSession, type AgentSession } from '#agent/session/connection.ts';
import type { Clock } from '#lib/clock.ts';
import { silentLogger } from '#lib/logger.ts';
import { int, type Random } from '#lib/random.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';

/** What the link does to messages besides breaking. */
export interface MixUps {
  readonly delays?: boolean;
  readonly duplicates?: boolean;
  readonly reorders?: boolean;
}

export interface SimpleAgentOptions {
  readonly clock: Clock;
  /** Asked at each attempt, so that control may be replaced. */
  accept(): (link: Link, remote: string) => LinkHandlers;
  readonly random: Random;
  /** Asked for each message. */
  mixUps?(): MixUps;
}

export interface SimpleAgent {
  readonly memory: MemorySessionState;
  readonly network: LinkNetwork;
  readonly session: AgentSession;
  /** As after the end of its process: a new session over the same memory. */
  restart(): void;
  /** A task ends by itself. */
  exit(taskArn: string): void;
  stop(): void;
}

export function createSimpleAgent({ clock, accept, random, mixUps = () => ({}) }: SimpleAgentOptions): SimpleAgent {
  const memory = createMemorySessionState();
  const statuses = new Map<string, 'RUNNING' | 'STOPPED'>();
  let incarnation = 0;
  const network = createLinkNetwork({
    clock,
    listener: accept,
    faults: {
      delayMs: () => (mixUps().delays ? int(random, 0, 400) : 1),
      copies: () => (mixUps().duplicates ? int(random, 1, 2) : 1),
      get reorders() {
        return mixUps().reorders ?? false;
      },
    },
  });

  function report(taskArn: string, lastStatus: 'RUNNING' | 'STOPPED'): void {
    if (statuses.get(taskArn) === 'STOPPED') return;
    statuses.set(taskArn, lastStatus);
    memory.report({ taskArn, lastStatus, healthStatus: 'UNKNOWN', containers: [] });
    session.stateChanged();
  }

  function work(taskArns: readonly string[]): void {
    for (const taskArn of taskArns) {
      const wanted = memory.tasks.get(taskArn)?.desiredStatus;
      if (wanted !== undefined) clock.after(int(random, 0, 300), () => report(taskArn, wanted));
    }
  }

  function makeSession(): AgentSession {
    incarnation += 1;
    return createSession({
      connect: network.connect,
      state: memory,
      cluster: 'default',
      incarnation: `incarnation-${incarnation}`,
      host: () => Promise.resolve(hostFacts),
      health: () => ({ status: 'OK' }),
      logs: {
        open() {
          throw new Error('no logs');
        },
      },
      execs: { start: () => Promise.reject(new Error('no commands here')) },
      onAssigned: work,
      clock,
      random,
      logger: silentLogger,
    });
  }

  let session = makeSession();
  session.start();
  return {
    memory,
    network,
    get session() {
      return session;
    },
    restart() {
      session.stop();
      session = makeSession();
      session.start();
    },
    exit: (taskArn) => {
      if (memory.tasks.has(taskArn)) report(taskArn, 'STOPPED');
    },
    stop: () => session.stop(),
  };
}
