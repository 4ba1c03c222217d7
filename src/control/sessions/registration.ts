/**
 * Turns a hello into the instance's row, in one transaction. The same machine always gets the same ARN back: by the ARN it presents, else by its
 * machine id (it may have died between our commit and its save). Nothing here looks at other sessions; sessions.ts has done that before.
 */
import { afterRegistration, versionOfBuild } from '#model/agent-update.ts';
import { clusterNameInArn, clusterNameOf, type Realm, containerInstanceArn, parseArn } from '#model/arn.ts';
import type { ContainerInstance, InstanceHealth } from '#model/container-instance.ts';
import { closeCodes, type CloseCode } from '#protocol/session/close-codes.ts';
import type { Hello } from '#protocol/session/messages.ts';
import type { StoreTransaction } from '../store/store.ts';
import { refusalOfHello, type AgentPeer } from './agent-peer.ts';
import { putWithConnectivity } from './connectivity.ts';
import { withoutDrain } from './going-down.ts';

/** More than a line is given between a backup and its restore. */
const numbersOfAJournal = 1_000_000;
/** Of `newId`: which million it becomes, so that histories which begin at the same backup part. */
const digitsOfTheMillion = 4;

export interface RegistrationRequest {
  readonly hello: Hello;
  /** By what the agent was let in. */
  readonly peer: AgentPeer;
  readonly realm: Realm;
  /** For the ARN of a machine that is new, and for where the numbers of a new journal begin: 32 random hexadecimal digits. */
  readonly newId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

export type RegistrationOutcome =
  | {
      readonly kind: 'registered';
      readonly instance: ContainerInstance;
      /** Numbers that this database never gave out and the agent has: the database was restored from a backup. */
      readonly forgotten?: { readonly after: number; readonly upTo: number };
    }
  | { readonly kind: 'refused'; readonly code: CloseCode; readonly reason: string };

export async function registerInstance(
  tx: StoreTransaction,
  { hello, peer, realm, newId, now }: RegistrationRequest,
): Promise<RegistrationOutcome> {
  const refusal = await refusalOfHello(tx, { peer, hello, now });
  if (refusal !== undefined) return { kind: 'refused', ...refusal };
  const clusterName = clusterNameOf(hello.cluster);
  const cluster = await tx.clusters.get(clusterName);
  if (cluster?.status !== 'ACTIVE') return refused(closeCodes.clusterNotFound, `there is no cluster ${clusterName}`);

  const presented = hello.containerInstanceArn;
  if (presented !== undefined && !belongsHere(presented, realm, clusterName)) {
    return refused(closeCodes.unauthorized, `registered elsewhere, not in cluster ${clusterName}: ${presented}`);
  }
  const row =
    presented === undefined
      ? await tx.containerInstances.byMachine(clusterName, hello.machineId)
      : await tx.containerInstances.get(presented);
  if (row !== undefined && row.machineId !== hello.machineId) {
    return refused(closeCodes.duplicateIdentity, 'the container instance belongs to another machine');
  }
  if (row?.status === 'INACTIVE' || row?.status === 'DEREGISTERING') {
    return refused(closeCodes.deregistered, 'the container instance was deregistered');
  }

  // Numbers that were given out while it was silent it cannot know: what it knows above the last it can have heard, it got before this database was restored.
  const heard = row?.heardUpTo ?? row?.assignmentNumber ?? 0;
  const forgotten = hello.assignmentNumber > heard ? { after: heard, upTo: hello.assignmentNumber } : undefined;
  const instance = await putWithConnectivity(
    tx,
    {
      ...(returned(row, hello) ??
        newInstance(presented ?? containerInstanceArn(realm, clusterName, newId), clusterName, hello, now)),
      ...reportedFields(hello, row?.health, now),
      ...updateOf(row, hello, now),
      ...(forgotten === undefined
        ? {}
        : {
            assignmentNumber: Math.max(forgotten.upTo, row?.assignmentNumber ?? 0),
            forgottenAssignments: [...(row?.forgottenAssignments ?? []), forgotten],
          }),
      ...(row !== undefined && beginsAnew(hello)
        ? { assignmentNumber: row.assignmentNumber + unusedNumbers(newId) }
        : {}),
    },
    { connected: true, now },
  );
  return { kind: 'registered', instance, ...(forgotten === undefined ? {} : { forgotten }) };
}

/**
 * Its journal is new. With the journal before it went the memory of what a database that was restored since had given out, so its numbers begin where none
 * of those were: otherwise, after another restore, one number would stand for two assignments, and what was forgotten could not be told.
 */
function beginsAnew({ containerInstanceArn: presented, assignmentNumber, tasks }: Hello): boolean {
  return presented === undefined && assignmentNumber === 0 && tasks.length === 0;
}

function unusedNumbers(newId: string): number {
  return numbersOfAJournal * (1 + Number.parseInt(newId.slice(0, digitsOfTheMillion), 16));
}

function returned(row: ContainerInstance | undefined, { backFromShutdown }: Hello): ContainerInstance | undefined {
  return row !== undefined && backFromShutdown === true ? withoutDrain(row) : row;
}

/** How an update of the agent ended, or goes on. */
function updateOf(row: ContainerInstance | undefined, { versions }: Hello, now: number) {
  if (row?.agentUpdate === undefined) return {};
  const build = versionOfBuild(versions.agent, versions.agentHash);
  return { agentUpdate: afterRegistration(row.agentUpdate, build, now) };
}

function refused(code: CloseCode, reason: string): RegistrationOutcome {
  return { kind: 'refused', code, reason };
}

function belongsHere(arn: string, realm: Realm, clusterName: string): boolean {
  const parsed = parseArn(arn);
  return (
    parsed?.service === 'ecs' &&
    parsed.region === realm.region &&
    parsed.accountId === realm.accountId &&
    parsed.resource.startsWith('container-instance/') &&
    clusterNameInArn(arn) === clusterName
  );
}

/** What the agent writes at every registration. */
function reportedFields(hello: Hello, before: InstanceHealth | undefined, now: number) {
  return {
    hostname: hello.hostname,
    resources: hello.resources,
    agentAttributes: hello.attributes,
    versionInfo: {
      agentVersion: hello.versions.agent,
      ...(hello.versions.agentHash === undefined ? {} : { agentHash: hello.versions.agentHash }),
      ...(hello.versions.docker === undefined ? {} : { dockerVersion: hello.versions.docker }),
    },
    health: healthOf(hello.health, before, now),
  };
}

/** A report of health as the row keeps it. */
export function healthOf(report: Hello['health'], before: InstanceHealth | undefined, now: number): InstanceHealth {
  const { details, ...whole } = report;
  const dated = details?.map((detail) => {
    const earlier = before?.details?.find(({ type }) => type === detail.type);
    return { ...detail, ...datesOf(detail, earlier, now) };
  });
  return { ...whole, ...datesOf(whole, before, now), ...(dated !== undefined && { details: dated }) };
}

function datesOf(
  { status }: Pick<InstanceHealth, 'status'>,
  before: Pick<InstanceHealth, 'status' | 'changedAt'> | undefined,
  now: number,
): Pick<InstanceHealth, 'updatedAt' | 'changedAt'> {
  return { updatedAt: now, changedAt: before?.status === status ? before.changedAt : now };
}

function newInstance(arn: string, clusterName: string, hello: Hello, now: number): ContainerInstance {
  return {
    containerInstanceArn: arn,
    clusterName,
    machineId: hello.machineId,
    status: 'ACTIVE',
    agentConnected: false,
    agentConnectedChangedAt: now,
    customAttributes: [],
    registeredAt: now,
    tags: hello.tags,
    version: 0,
    assignmentNumber: 0,
    ...reportedFields(hello, undefined, now),
  };
}
