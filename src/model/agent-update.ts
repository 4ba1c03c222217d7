/**
 * The update of an agent, as ECS shows it (`agentUpdateStatus`). Control asks, the agent tells how far it is, and its next registration tells how it ended:
 * with the wanted version it is UPDATED, with another it has FAILED. Statuses only go forward, and what is not done in time has FAILED.
 */

/** The order in which they follow each other; FAILED may follow any of them but UPDATED. */
export const agentUpdateStatuses = ['PENDING', 'STAGING', 'STAGED', 'UPDATING', 'UPDATED', 'FAILED'] as const;
export type AgentUpdateStatus = (typeof agentUpdateStatuses)[number];

export interface AgentUpdate {
  readonly status: AgentUpdateStatus;
  /** The version that is wanted. */
  readonly version: string;
  /** Epoch milliseconds. */
  readonly requestedAt: number;
  readonly changedAt: number;
  /** Why it FAILED. */
  readonly reason?: string;
}

/** What an agent tells of its update to `version`. */
export interface AgentUpdateReport {
  readonly version: string;
  readonly status: 'STAGING' | 'STAGED' | 'UPDATING' | 'FAILED';
  readonly reason?: string;
}

/** One name for a version and the commit it was built of: `0.1.0+1f3a9c2`, `0.1.0+1f3a9c2.changed`, or `0.1.0` where the commit is not known. */
export function versionOfBuild(version: string, hash: string | undefined): string {
  if (hash === undefined || hash === '') return version;
  return hash.startsWith('*') ? `${version}+${hash.slice(1)}.changed` : `${version}+${hash}`;
}

/** As ECS: 15 minutes for the download; then a restart, and a minute in which the new agent proves itself. */
export const agentUpdateLimitMs = 20 * 60_000;

export function requestedUpdate(version: string, now: number): AgentUpdate {
  return { status: 'PENDING', version, requestedAt: now, changedAt: now };
}

export function isUpdateUnderWay({ status }: AgentUpdate): boolean {
  return status !== 'UPDATED' && status !== 'FAILED';
}

/** When it will have FAILED for want of time; epoch milliseconds. */
export function updateDeadline({ requestedAt }: AgentUpdate): number {
  return requestedAt + agentUpdateLimitMs;
}

/** The same object when the report says nothing new, or is of another update. */
export function afterReport(
  update: AgentUpdate,
  { version, status, reason }: AgentUpdateReport,
  now: number,
): AgentUpdate {
  if (version !== update.version || !isUpdateUnderWay(update)) return update;
  if (agentUpdateStatuses.indexOf(status) <= agentUpdateStatuses.indexOf(update.status)) return update;
  return { ...update, status, changedAt: now, ...(reason === undefined ? {} : { reason }) };
}

/** An agent registers: before it UPDATES that says nothing, unless it has the wanted version already. */
export function afterRegistration(update: AgentUpdate, agentVersion: string, now: number): AgentUpdate {
  if (!isUpdateUnderWay(update)) return update;
  if (agentVersion === update.version) return { ...update, status: 'UPDATED', changedAt: now };
  if (update.status !== 'UPDATING') return update;
  const reason = `the agent went back to ${agentVersion}: the new one did not come up healthy; its log says why`;
  return { ...update, status: 'FAILED', changedAt: now, reason };
}

/** FAILED when its time is over. */
export function afterDeadline(update: AgentUpdate, now: number): AgentUpdate {
  if (!isUpdateUnderWay(update) || now < updateDeadline(update)) return update;
  const minutes = Math.round(agentUpdateLimitMs / 60_000);
  const stuck: Readonly<Record<string, string>> = {
    PENDING: 'its agent was not connected',
    STAGING: 'its agent did not get the executable',
    STAGED: 'its agent did not restart',
    UPDATING: 'its agent did not come back',
  };
  const reason = `not done within ${minutes} minutes: ${stuck[update.status] ?? 'its agent did not tell how it ended'}`;
  return { ...update, status: 'FAILED', changedAt: now, reason };
}
