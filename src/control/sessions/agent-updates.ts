/**
 * The update of one agent over its session: asked for once a session while it is PENDING, if the agent registered that it can, and what the agent tells
 * of it is written to its instance.
 */
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { afterReport, type AgentUpdateReport } from '#model/agent-update.ts';
import { capability, hasRegistered } from '#model/capabilities.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { UpdateAgent } from '#protocol/session/upgrade.ts';
import type { Store } from '../store/store.ts';

/** What this control service can give to agents. */
export interface SignedRelease {
  readonly version: string;
  readonly text: string;
  readonly signature?: string;
}

/** Undefined where control was not installed with executables. */
export type ReleaseSource = () => SignedRelease | undefined;

export interface AgentUpdates {
  sendDue(instance: ContainerInstance): void;
  write(report: AgentUpdateReport): Promise<void>;
}

export interface AgentUpdatesOptions {
  readonly containerInstanceArn: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly release: ReleaseSource;
  send(message: UpdateAgent): void;
}

export function createAgentUpdates(options: AgentUpdatesOptions): AgentUpdates {
  const { containerInstanceArn, store, clock, logger, release, send } = options;
  let sent: number | undefined;
  return {
    sendDue(instance) {
      if (!hasRegistered(instance, capability.selfUpdate)) return;
      const { agentUpdate } = instance;
      if (agentUpdate?.status !== 'PENDING' || agentUpdate.requestedAt === sent) return;
      const offered = release();
      if (offered?.version !== agentUpdate.version) return;
      sent = agentUpdate.requestedAt;
      const { version, text, signature } = offered;
      send({ type: 'updateAgent', version, release: text, ...(signature === undefined ? {} : { signature }) });
    },
    async write(report) {
      await store.write(async (tx) => {
        const instance = await tx.containerInstances.get(containerInstanceArn);
        if (instance?.agentUpdate === undefined) return;
        const next = afterReport(instance.agentUpdate, report, clock.now());
        if (next === instance.agentUpdate) return;
        if (next.status === 'FAILED') logger.warn({ ...report }, 'an agent was not updated');
        await tx.containerInstances.put({ ...instance, agentUpdate: next, version: instance.version + 1 });
      });
    },
  };
}
