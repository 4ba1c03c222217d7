/**
 * Leave to run one command once: what ExecuteCommand hands out and whoever opens the stream shows. A grant is found by its session id and opened by
 * its token, of which only a hash is kept, for a minute; what it grants was checked when it was made.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';

export interface GrantedExec {
  readonly taskArn: string;
  readonly containerName: string;
  readonly containerInstanceArn: string;
  readonly command: readonly string[];
  /** Whether the command has a stdin. */
  readonly interactive: boolean;
  /** Who asked. */
  readonly principalArn: string;
}

export interface ExecGrant {
  readonly sessionId: string;
  readonly token: string;
}

export type ExecErrorKind = 'agent-not-connected' | 'session-lost' | 'too-many' | 'failed';

/** The message is for the user. */
export class ExecError extends Error {
  override readonly name = 'ExecError';
  readonly kind: ExecErrorKind;

  constructor(kind: ExecErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface ExecGrants {
  /** Throws an ExecError when too many are open. */
  grant(exec: GrantedExec): ExecGrant;
  /** Whether there is a grant of that id that has neither been used nor has run out. */
  has(sessionId: string): boolean;
  /** What was granted, to the first who shows its token in time. */
  redeem(sessionId: string, token: string): GrantedExec | undefined;
}

const lifetimeMs = 60_000;
const maximumOpen = 1000;

interface Open {
  readonly exec: GrantedExec;
  readonly tokenHash: Buffer;
  readonly until: number;
}

export function createExecGrants({ clock, ids }: { clock: Pick<Clock, 'now'>; ids: Ids }): ExecGrants {
  /** Oldest first. */
  const open = new Map<string, Open>();

  function forgetExpired(): void {
    const now = clock.now();
    for (const [sessionId, { until }] of open) if (until <= now) open.delete(sessionId);
  }

  return {
    grant(exec) {
      forgetExpired();
      if (open.size >= maximumOpen) {
        throw new ExecError(
          'too-many',
          `${maximumOpen} commands have been granted and not been begun; try again later`,
        );
      }
      const sessionId = `ecs-execute-command-${ids.hex(32)}`;
      const token = ids.hex(64);
      open.set(sessionId, { exec, tokenHash: sha256(token), until: clock.now() + lifetimeMs });
      return { sessionId, token };
    },
    has(sessionId) {
      forgetExpired();
      return open.has(sessionId);
    },
    redeem(sessionId, token) {
      forgetExpired();
      const found = open.get(sessionId);
      if (found === undefined || !timingSafeEqual(sha256(token), found.tokenHash)) return undefined;
      open.delete(sessionId);
      return found.exec;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
