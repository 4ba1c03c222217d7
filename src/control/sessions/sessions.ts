/**
 * The registry of agents' sessions. One live session an instance (S4): a newer one of the same machine takes over, another machine with the same
 * identity is refused. All work on one instance goes through one queue that is fed by announcements and repeats what failed: it sends what is
 * new, and keeps `agentConnected` true to the registry whatever order sessions came and went in.
 */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { createWorkQueue } from '#lib/work-queue.ts';
import { clusterNameOf, type Realm } from '#model/arn.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { protocolVersion, type Hello, type LogEntry } from '#protocol/session/messages.ts';
import type { Store } from '../store/store.ts';
import { byToken, mismatchOf, watchCertificate, type AgentPeer } from './agent-peer.ts';
import type { ReleaseSource } from './agent-updates.ts';
import type { DefinitionReader } from './assignments.ts';
import { startSilences, writeConnectivity } from './connectivity.ts';
import { createExecBroker, type ExecBroker } from './exec-broker.ts';
import { openTaskLogs } from './task-logs.ts';
import type { LogsRequest } from './logs.ts';
import { registerInstance, type RegistrationOutcome } from './registration.ts';
import { startServing } from './serving.ts';
import { openSession, type Session } from './session.ts';
import { createTelemetryBoard, type UtilisationSource } from './telemetry.ts';
import { createTurns } from './turns.ts';

const passBackoff = { baseMs: 200, maxMs: 10_000, factor: 2, jitter: 0.2 };
/** Most of them only read, and the store lets those that wait read together. */
const concurrentPasses = 256;
const rememberedDefinitions = 500;
/**
 * Registrations that may wait for the database at once: fewer than it writes within the time an agent waits for its welcome, so that a fleet which
 * restarts as one never has control write for sessions that have been given up. Who comes on top is told to come again, and spread by its back-off.
 */
export const mostRegistrationsAtOnce = 200;

export interface SessionsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly realm: Realm;
  readonly logger: Logger;
  readonly heartbeatIntervalMs: number;
  /** The fingerprint of the authority that certificates of machines are to be by; undefined where there is none. */
  issuer?(): string | undefined;
  /** What agents can be updated to; nothing unless set. */
  readonly release?: ReleaseSource;
}

export interface Sessions {
  /** Writes that nobody is connected, then listens to the store. Sessions may be accepted from then on. */
  start(): Promise<void>;
  /** Ends every session (`goingAway`) and resolves when their ends are written, as far as the database can be reached. */
  stop(): Promise<void>;
  /** Takes over a link that was just opened; its events go to the handlers. `remote` is for logs. */
  accept(link: Link, remote: string, peer?: AgentPeer): LinkHandlers;
  /** Ends the sessions of a machine whose certificates were revoked. */
  revoked(machineId: string): void;
  /** Asks agents whose certificate is by another authority than the one that issues now to renew it. */
  issuerChanged(): void;
  /** The log entries of a container, live when `follow`. The first `next()` rejects with a LogsError when there are none to be had. */
  openLogs(request: LogsRequest): AsyncIterable<LogEntry>;
  /** Commands in containers of connected agents. */
  readonly execs: ExecBroker;
  /** What services and clusters use of what they reserved, as far as their agents are heard. */
  readonly utilisation: UtilisationSource;
  /** Sessions that are served. */
  connected(): number;
  /** Resolves when nothing is being written or sent; what is scheduled for later does not count. */
  idle(): Promise<void>;
}

interface Owner {
  readonly session: Session;
  readonly hello: Hello;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { store, clock, ids, realm, heartbeatIntervalMs } = options;
  const logger = options.logger.child({ part: 'sessions' });
  const open = new Map<Session, AgentPeer>();
  /** By cluster and machine id; entries of `owners` and `current` come and go together. */
  const owners = new Map<string, Owner>();
  const current = new Map<string, Session>();
  /** What each has claimed, whether or not a newer one has taken it over. */
  const claims = new WeakMap<Session, { readonly machine: string; readonly containerInstanceArn: string }>();
  const turns = createTurns();
  const telemetry = createTelemetryBoard({ store, clock, logger });
  const execs = createExecBroker({ clock, ids, logger, current: (arn) => current.get(arn)?.serving });
  const readDefinition = cachingDefinitions(rememberedDefinitions);
  const queue = createWorkQueue({
    clock,
    random: options.random,
    concurrency: concurrentPasses,
    backoff: passBackoff,
    run: pass,
    onError: (containerInstanceArn, error, attempt) =>
      logger.error({ error, containerInstanceArn, attempt }, 'a pass over the assignments of an instance failed'),
  });
  let unsubscribe: (() => void) | undefined;
  let stopping = false;
  let registering = 0;

  async function pass(containerInstanceArn: string): Promise<void> {
    const session = current.get(containerInstanceArn);
    if (session !== undefined) {
      await session.serving?.pass();
      return;
    }
    const now = clock.now();
    await store.write(async (tx) => {
      if (!current.has(containerInstanceArn))
        await writeConnectivity(tx, containerInstanceArn, { connected: false, now });
    });
  }

  async function register(session: Session, hello: Hello): Promise<RegistrationOutcome> {
    // Before anything is said of the machine that it names.
    const mismatch = mismatchOf(open.get(session) ?? byToken, hello);
    if (mismatch !== undefined) return { kind: 'refused', code: closeCodes.unauthorized, reason: mismatch };
    if (registering >= mostRegistrationsAtOnce) {
      return {
        kind: 'refused',
        code: closeCodes.tryAgainLater,
        reason: 'many agents come at once; come again in a moment',
      };
    }
    registering += 1;
    try {
      return await registerInTurn(session, hello);
    } finally {
      registering -= 1;
    }
  }

  function registerInTurn(session: Session, hello: Hello): Promise<RegistrationOutcome> {
    const machine = `${clusterNameOf(hello.cluster)} ${hello.machineId}`;
    return turns.take(machine, async () => {
      const owner = owners.get(machine);
      if (owner !== undefined && owner.hello.fingerprint !== hello.fingerprint)
        return refuseDuplicate(owner, session, hello);
      const peer = open.get(session) ?? byToken;
      const request = { hello, peer, realm, newId: ids.hex(32), now: clock.now() };
      const outcome = await store.write((tx) => registerInstance(tx, request));
      if (outcome.kind === 'refused') {
        if (outcome.code === closeCodes.duplicateIdentity) {
          const { machineId, hostname } = hello;
          logger.error(
            { machineId, hostname, remote: session.remote, reason: outcome.reason },
            'an agent with the identity of another machine (a copied disk?) is refused',
          );
        }
        return outcome;
      }
      if (outcome.forgotten !== undefined) {
        logger.error(
          { containerInstanceArn: outcome.instance.containerInstanceArn, ...outcome.forgotten },
          'an agent knows assignments this database never made: it was restored from an older state',
        );
      }
      claim(session, hello, outcome.instance.containerInstanceArn, machine);
      return outcome;
    });
  }

  function refuseDuplicate(owner: Owner, session: Session, hello: Hello): RegistrationOutcome {
    const { machineId, hostname } = hello;
    logger.error(
      {
        machineId,
        hostname,
        remote: session.remote,
        other: { hostname: owner.hello.hostname, remote: owner.session.remote },
      },
      'two machines have one identity (a copied disk?); the newcomer is refused',
    );
    const reason = `${owner.hello.hostname} is connected with this machine's identity; if it is a copy, remove its state folder`;
    return { kind: 'refused', code: closeCodes.duplicateIdentity, reason };
  }

  function claim(session: Session, hello: Hello, containerInstanceArn: string, machine: string): void {
    // The link may have gone while the row was written; the pass writes that then.
    if (session.closed) {
      queue.add(containerInstanceArn);
      return;
    }
    const before = owners.get(machine)?.session;
    claims.set(session, { machine, containerInstanceArn });
    owners.set(machine, { session, hello });
    current.set(containerInstanceArn, session);
    before?.end(closeCodes.superseded, 'a newer session of this container instance took over');
  }

  function ended(session: Session): void {
    open.delete(session);
    const claim = claims.get(session);
    if (claim === undefined) return;
    const { machine, containerInstanceArn } = claim;
    if (owners.get(machine)?.session === session) owners.delete(machine);
    if (current.get(containerInstanceArn) !== session) return;
    current.delete(containerInstanceArn);
    queue.add(containerInstanceArn);
  }

  function askForRenewal(session: Session): void {
    const peer = open.get(session);
    const issuer = options.issuer?.();
    if (peer?.kind !== 'certificate' || issuer === undefined || peer.certificate.issuer === issuer) return;
    session.send({ type: 'renewIdentity' });
  }

  function accept(link: Link, remote: string, peer: AgentPeer = byToken): LinkHandlers {
    const session = openSession({
      id: ids.hex(16),
      remote,
      link,
      clock,
      logger,
      register,
      welcome: (self, instance) => ({
        type: 'welcome',
        protocolVersion,
        sessionId: self.id,
        containerInstanceArn: instance.containerInstanceArn,
        cluster: instance.clusterName,
        region: realm.region,
        accountId: realm.accountId,
        heartbeatIntervalMs,
      }),
      serve(_self, serving) {
        const wake = (): void => queue.add(serving.containerInstanceArn);
        wake();
        const { hello, containerInstanceArn } = serving;
        const origin = { containerInstanceArn, clusterName: clusterNameOf(hello.cluster), ...hello.resources };
        return startServing({
          ...serving,
          store,
          clock,
          heartbeatIntervalMs,
          readDefinition,
          release: options.release ?? (() => undefined),
          wake,
          telemetry: (message) => telemetry.receive(origin, message),
        });
      },
      ended(self) {
        lapse?.cancel();
        ended(self);
      },
      opened: askForRenewal,
    });
    open.set(session, peer);
    const lapse =
      peer.kind === 'token'
        ? undefined
        : watchCertificate({
            certificate: peer.certificate,
            store,
            clock,
            logger,
            lapsed: () => session.end(closeCodes.unauthorized, 'the certificate lapsed'),
          });
    if (stopping) session.end(closeCodes.goingAway, 'control is going down');
    return session.handlers;
  }

  return {
    async start() {
      const now = clock.now();
      await startSilences(store, now);
      unsubscribe = store.subscribe(({ assignments }) => {
        for (const containerInstanceArn of assignments) {
          if (current.has(containerInstanceArn)) queue.add(containerInstanceArn);
        }
      });
    },
    async stop() {
      stopping = true;
      unsubscribe?.();
      const reports = [...open.keys()].flatMap(({ serving }) => serving?.settled() ?? []);
      execs.stop();
      for (const session of open.keys()) session.end(closeCodes.goingAway, 'control is going down');
      await Promise.all([...reports, telemetry.settled()]);
      await queue.idle();
      await queue.stop();
    },
    accept,
    revoked(machineId) {
      for (const [session, peer] of open) {
        if (peer.kind !== 'certificate' || peer.certificate.machineId !== machineId) continue;
        session.end(closeCodes.unauthorized, 'the certificate was revoked');
      }
    },
    issuerChanged() {
      for (const session of open.keys()) askForRenewal(session);
    },
    openLogs: (request) => openTaskLogs({ store, current: (arn) => current.get(arn)?.serving, request }),
    execs,
    utilisation: telemetry,
    connected: () => current.size,
    async idle() {
      await Promise.all([...open.keys()].flatMap(({ serving }) => serving?.settled() ?? []));
      await telemetry.settled();
      await queue.idle();
    },
  };
}

/** The oldest goes first when there are too many. */
function cachingDefinitions(limit: number): DefinitionReader {
  const cache = new Map<string, TaskDefinition>();
  return async (tx, { taskDefinitionArn, family, revision }) => {
    const cached = cache.get(taskDefinitionArn);
    if (cached !== undefined) return cached;
    const definition = await tx.taskDefinitions.get(family, revision);
    if (definition === undefined) return undefined;
    const [oldest] = cache.keys();
    if (cache.size >= limit && oldest !== undefined) cache.delete(oldest);
    cache.set(taskDefinitionArn, definition);
    return definition;
  };
}
