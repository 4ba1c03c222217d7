/**
 * The control service put together: store, sessions, reconciler, API. Started from the inside out, so that nothing is asked before it can
 * answer; closed in the opposite order and within seconds. Closing touches no container: hosts go on without us.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHash, timingSafeEqual } from 'node:crypto';
import { breathe, deadline, systemClock, type Clock } from '#lib/clock.ts';
import { systemIds, type Ids } from '#lib/ids.ts';
import { createLogger, type Logger } from '#lib/logger.ts';
import { systemRandom, type Random } from '#lib/random.ts';
import { commit, version } from '#lib/version.ts';
import { versionOfBuild } from '#model/agent-update.ts';
import { distributionFolder, readShippedFile } from '#lib/shipped-files.ts';
import { ensureDefaultCluster } from './api/clusters.ts';
import type { Distribution } from './api/distribution.ts';
import { createApi, type ApiLimits } from './api/server.ts';
import type { SigningKey } from './api/sigv4.ts';
import { openBackup } from './backup/archive.ts';
import { writeMigrationBackup } from './backup/write-backup.ts';
import { ConfigError, type ControlConfig } from './config.ts';
import { createExplainer } from './reconciler/explainer.ts';
import { createReconciler, schedulingRules } from './reconciler/reconciler.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import { guardConnections } from './sessions/connection-guard.ts';
import { attachSessionServer } from './sessions/server.ts';
import { createSessions } from './sessions/sessions.ts';
import { createPostgresStore } from './store/postgres.ts';
import { createSqliteStore } from './store/sqlite.ts';
import { createReleaseSource } from './upgrade/release-source.ts';
import type { Store } from './store/store.ts';
import type { TlsListener } from './trust/tls-listener.ts';
import { createTrust, type Trust } from './trust/trust.ts';

export interface ControlOverrides {
  readonly store?: Store;
  readonly clock?: Clock;
  readonly ids?: Ids;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly limits?: Partial<ApiLimits>;
}

export interface Control {
  /** `http://<host>:<port>`, with the port that was really taken. */
  url: string;
  /** `https://<host>:<port>` of the TLS listener, where there is one. */
  tlsUrl?: string;
  /** What clients and agents need to talk to this service. */
  secrets: Secrets;
  close(): Promise<void>;
}

/** How long each part may take to close before the next one is closed all the same. */
const closeDeadlineMs = 3000;

/** Rejects with a ConfigError or a StoreOpenError when a person has to do something about it. */
export async function startControl(config: ControlConfig, overrides: ControlOverrides = {}): Promise<Control> {
  const { clock = systemClock, ids = systemIds, random = systemRandom } = overrides;
  const logger = overrides.logger ?? createLogger({ name: 'control', level: config.logLevel });
  const { realm } = config;
  const closers: [name: string, close: () => unknown][] = [];
  const closing = async (): Promise<void> => {
    for (const [name, close] of closers.splice(0).toReversed()) await closeWithin(name, close, { clock, logger });
  };

  try {
    const secrets = loadSecrets(config, ids);
    const store = overrides.store ?? (await openStore(config, { clock, random, logger }));
    closers.push(['store', () => store.close()]);
    const admin: SigningKey = {
      ...secrets.adminKey,
      principalArn: `arn:${realm.partition}:iam::${realm.accountId}:user/admin`,
    };
    await ensureDefaultCluster({ store, realm, clock }, admin.principalArn);

    const trust = createTrust({ home: config.home, names: config.tls?.names ?? [], store, clock, ids, logger });
    const tls: { listener?: TlsListener } = {};

    const release = createReleaseSource({
      folder: distributionFolder(),
      version: versionOfBuild(version, commit),
      sign: trust.sign,
      logger,
    });
    const { heartbeatIntervalMs } = config;
    const sessions = createSessions({
      store,
      clock,
      ids,
      random,
      realm,
      logger,
      heartbeatIntervalMs,
      issuer: trust.issuer,
      release,
    });
    trust.subscribe(sessions.issuerChanged);
    await sessions.start();
    closers.push(['sessions', () => sessions.stop()]);

    const reconciler = createReconciler({ store, clock, ids, random, realm, logger, config });
    await reconciler.start();
    closers.push(['reconciler', () => reconciler.stop()]);

    const api = createApi({
      store,
      realm,
      clock,
      ids,
      random,
      logger,
      logs: sessions,
      explainer: createExplainer({ store, clock, random, realm, rules: schedulingRules(config) }),
      execs: sessions.execs,
      findKey: keyFinder(admin, store),
      connectedAgents: () => sessions.connected(),
      utilisation: sessions.utilisation,
      openBackup: () => openBackup({ config, clock, breathe }),
      distribution: ownDistribution(),
      release,
      trust,
      tls: () => tls.listener && { port: portOf(tls.listener.server.address()), names: config.tls?.names ?? [] },
      revoked: sessions.revoked,
      ...(overrides.limits === undefined ? {} : { limits: overrides.limits }),
    });
    const tlsListener = await openTls(config, { trust, api, clock, logger });
    if (tlsListener !== undefined) tls.listener = tlsListener;
    const servers = [api.server, ...(tlsListener === undefined ? [] : [tlsListener.server])];
    const guard = guardConnections(servers, { clock, logger });
    closers.push(['connection guard', () => guard.stop()]);
    const { agentToken } = secrets;
    const sessionServer = attachSessionServer(servers, { sessions, agentToken, trust, clock, logger });
    // The server waits for open sessions to end, so both are ended together.
    closers.push(['api', () => Promise.all([api.close(), tlsListener?.close(), sessions.stop()])]);
    closers.push(['session server', () => sessionServer.close()]);
    await listen(api, config);
    const url = httpUrl('http', config.listen.host, portOf(api.server.address()));
    const tlsUrl =
      config.tls && tlsListener && httpUrl('https', config.tls.listen.host, portOf(tlsListener.server.address()));
    logger.info({ url, tlsUrl, home: config.home, store: config.store.kind }, 'control is ready');
    return { url, secrets, close: closing, ...(tlsUrl !== undefined && { tlsUrl }) };
  } catch (error) {
    await closing();
    throw error;
  }
}

function openStore(
  config: ControlConfig,
  { clock, random, logger }: { clock: Clock; random: Random; logger: Logger },
): Promise<Store> {
  const { store } = config;
  const beforeMigrating = async (): Promise<void> => {
    const path = await writeMigrationBackup({ config, clock, breathe });
    logger.info({ path }, 'the database is of an older version and is brought forward; a backup was made');
  };
  return store.kind === 'sqlite'
    ? createSqliteStore({ path: store.path, clock, logger, breathe, beforeMigrating })
    : createPostgresStore({ url: store.url, clock, random, logger, beforeMigrating });
}

/** The admin's key lives in the configuration alone, so that taking it away there takes it away. */
function keyFinder(admin: SigningKey, store: Store): (accessKeyId: string) => Promise<SigningKey | undefined> {
  return async (accessKeyId) => {
    if (equalTexts(accessKeyId, admin.accessKeyId)) return admin;
    return store.read((tx) => tx.accessKeys.get(accessKeyId));
  };
}

function equalTexts(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

async function listen(api: ReturnType<typeof createApi>, { listen: { host, port } }: ControlConfig): Promise<void> {
  try {
    await api.listen({ host, port });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`BERTH_LISTEN: cannot listen on ${host}:${port} (${code})`, { cause: error });
  }
}

/** Loaded only where it listens: Node's TLS takes memory. */
async function openTls(
  { tls }: ControlConfig,
  { trust, api, clock, logger }: { trust: Trust; api: ReturnType<typeof createApi>; clock: Clock; logger: Logger },
): Promise<TlsListener | undefined> {
  if (tls === undefined) return undefined;
  const { host, port } = tls.listen;
  const { listenTls } = await import('./trust/tls-listener.ts');
  await trust.open();
  await api.ready();
  try {
    const handle = (request: IncomingMessage, response: ServerResponse): void => api.routing(request, response);
    return await listenTls({ trust, listen: { host, port }, handle, clock, logger });
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'listen') throw error;
    const code = 'code' in error ? String(error.code) : error.message;
    throw new ConfigError(`BERTH_TLS_LISTEN: cannot listen on ${host}:${port} (${code})`, { cause: error });
  }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function httpUrl(scheme: 'http' | 'https', host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A part that does not close in time, or fails to, does not keep the others open. */
async function closeWithin(
  name: string,
  close: () => unknown,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<void> {
  try {
    await deadline(clock, closeDeadlineMs, `closing the ${name}`, Promise.resolve(close()));
  } catch (error) {
    logger.warn({ error, part: name }, 'a part did not close in order');
  }
}

/** What came with this program. */
function ownDistribution(): Distribution {
  const folder = distributionFolder();
  return { ...(folder === undefined ? {} : { folder }), installer: () => readShippedFile('install.sh') };
}
