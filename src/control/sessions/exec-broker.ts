/** Brings together who was granted a command and the session of the agent that runs it. */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import type { ExecLink, ExecLinkHandlers } from '#protocol/exec/link.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { openExecClient, type ExecClient } from './exec-client.ts';
import { createExecGrants, ExecError, type ExecGrant, type GrantedExec } from './exec-grants.ts';
import type { Serving } from './serving.ts';

export interface ExecBroker {
  /** Throws an ExecError: the agent is not connected, or too many are open. */
  grant(exec: GrantedExec): ExecGrant;
  /** Whether somebody may connect under that id. */
  expects(sessionId: string): boolean;
  /** Takes over a link that was just opened; its events go to the handlers. */
  accept(link: ExecLink, sessionId: string): ExecLinkHandlers;
  /** Ends every command whose client is connected here. */
  stop(): void;
}

export interface ExecBrokerOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
  /** The serving session of an instance, if any. */
  current(containerInstanceArn: string): Serving | undefined;
}

/** Clients connected to this control, those that have not shown their token included. */
const maximumClients = 512;

export function createExecBroker({ clock, ids, logger, current }: ExecBrokerOptions): ExecBroker {
  const grants = createExecGrants({ clock, ids });
  const clients = new Set<ExecClient>();

  function servingOf({ containerInstanceArn }: GrantedExec): Serving {
    const serving = current(containerInstanceArn);
    if (serving === undefined) {
      throw new ExecError('agent-not-connected', 'the agent of the task’s container instance is not connected');
    }
    return serving;
  }

  return {
    grant(exec) {
      servingOf(exec);
      if (clients.size >= maximumClients) {
        throw new ExecError('too-many', `${maximumClients} commands run through this control already; try again later`);
      }
      return grants.grant(exec);
    },
    expects: (sessionId) => clients.size < maximumClients && grants.has(sessionId),
    accept(link, sessionId) {
      const client = openExecClient({
        link,
        clock,
        logger: logger.child({ execSession: sessionId }),
        redeem: (token) => grants.redeem(sessionId, token),
        open(exec, terminal, events) {
          const { taskArn, containerName, command, interactive } = exec;
          const request = { taskArn, containerName, command: [...command], interactive };
          return servingOf(exec).openExec({ ...request, ...(terminal === undefined ? {} : { terminal }) }, events);
        },
        ended: () => void clients.delete(client),
      });
      clients.add(client);
      return client.handlers;
    },
    stop() {
      for (const client of clients) client.end(closeCodes.goingAway, 'control is going down');
    },
  };
}
