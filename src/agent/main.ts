/**
 * `berth agent`: runs this machine's agent until it is told to stop; containers are never touched by that. `berth agent purge` takes what
 * the stopped agent left on its engine off it, `join` gets the machine its certificate, `renew` another one. Exit codes, as ecs-agent's: 0 stopped,
 * 1 start me again, 5 starting again is no use before somebody acts, 42 start what is installed by now.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deadline, systemClock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { systemIds } from '#lib/ids.ts';
import { createLogger, silentLogger, type Logger } from '#lib/logger.ts';
import { systemRandom } from '#lib/random.ts';
import { readNotifySettings } from '#lib/service-manager/config.ts';
import { createServiceManager } from '#lib/service-manager/notify.ts';
import { commit, version } from '#lib/version.ts';
import { createAgent } from './agent.ts';
import { ConfigError, readConfig, type AgentConfig } from './config.ts';
import { createDockerEngine } from './engine/docker.ts';
import { createImageStore } from './engine/image-store.ts';
import { createRegistrySecrets, type RegistrySecrets } from './engine/registry-secrets.ts';
import { readGpuIds } from './host/gpus.ts';
import { createHost, defaultAvailabilityZone } from './host/host.ts';
import { portsWithSockets } from './host/listening-ports.ts';
import { runOwnProgram } from './host/own-program.ts';
import { createContainerProcesses } from './host/processes.ts';
import { isMachineShuttingDown } from './host/shutting-down.ts';
import { createTaskCgroups } from './host/task-cgroups.ts';
import { agentUrlOf, createIdentityFiles, IdentityError, type Identity } from './identity/identity-files.ts';
import { createIdentityKeeper, type IdentityKeeper } from './identity/keeper.ts';
import { endpointSecretIn } from './metadata/endpoint-ids.ts';
import { createLocalEndpoints, removeLocalEndpoints } from './metadata/local-endpoints.ts';
import { createBridgeNetwork } from './network/bridge-network.ts';
import { readHostRoutes } from './network/host-routes.ts';
import { withPauseImage } from './network/pause-image.ts';
import { purge } from './runner/purge.ts';
import { createWebSocketConnector, type AgentCredentials } from './session/websocket.ts';
import { leave, stopWhatIsLeft } from './shutdown/going-down.ts';
import { drainedMarkIn } from './state/drained-mark.ts';
import { JournalLockedError, JournalVersionError } from './state/journal-file.ts';
import { openJournal, type Journal } from './state/journal.ts';
import { machineIdIn } from './state/machine-id.ts';
import { createAgentUpgrade } from './upgrade/agent-upgrade.ts';
import { createWatch } from './watch.ts';

const exitCodes = { stopped: 0, again: 1, useless: 5, update: 42 } as const;

/** ecs-agent's: engine work may take this long to come to rest. */
const stopLimitMs = 5000;
/** When the machine goes down: for the containers that are left, whatever their stop timeouts are; then for the agent's own end. */
const leftLimitMs = 120_000;
const marginMs = 15_000;

/** Resolves with the exit code once the agent has stopped. */
export async function main(args: readonly string[]): Promise<number> {
  let logger = createLogger({ name: 'agent' });
  try {
    const [verb, ...rest] = args;
    if (verb === 'join')
      return await runCommand(() => import('./identity/command.ts').then(({ runJoin }) => runJoin(rest)));
    if ((verb !== undefined && verb !== 'purge' && verb !== 'renew') || rest.length > 0) {
      throw new ConfigError(
        'berth agent takes no argument but `purge`, `join` and `renew`; settings come from the environment',
      );
    }
    if (verb === 'renew') return await runCommand(renewIdentity);
    const config = settings();
    logger = createLogger({ name: 'agent', level: config.logLevel });
    return await (verb === 'purge' ? runPurge(config, logger) : run(config, logger));
  } catch (error) {
    logger.error({ error }, 'the agent could not start');
    const useless =
      error instanceof ConfigError ||
      error instanceof RangeError ||
      error instanceof JournalVersionError ||
      error instanceof IdentityError;
    return useless || error instanceof JournalLockedError ? exitCodes.useless : exitCodes.again;
  }
}

/** For people, and for the agent that runs it: its errors are sentences on standard error, and no lines of a log. */
async function runCommand(command: () => Promise<void>): Promise<number> {
  try {
    await command();
    return exitCodes.stopped;
  } catch (error) {
    process.stderr.write(`berth: ${messageOf(error)}\n`);
    const isFinal =
      error instanceof Error && ['ConfigError', 'FingerprintError', 'TrustRefusedError'].includes(error.name);
    return isFinal ? exitCodes.useless : exitCodes.again;
  }
}

async function renewIdentity(): Promise<void> {
  const { controlUrl, dataFolder, credentials } = settings();
  if (credentials.kind !== 'certificate') {
    throw new ConfigError('this agent is known by its token: there is no certificate to renew');
  }
  const { controlOfAgentUrl, runRenew } = await import('./identity/command.ts');
  await runRenew({ dataFolder, control: controlOfAgentUrl(controlUrl), logger: silentLogger });
}

function settings(): AgentConfig {
  return readConfig(undefined, (dataFolder) => {
    const identity = createIdentityFiles(dataFolder).read();
    return identity && { controlUrl: agentUrlOf(identity.control), cluster: identity.cluster };
  });
}

async function run(config: AgentConfig, logger: Logger): Promise<number> {
  const ended = Promise.withResolvers<{ code: number; because: string }>();
  const stopOn = (signal: string): void => ended.resolve({ code: exitCodes.stopped, because: signal });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stopOn);

  const notify = readNotifySettings();
  const isService = notify !== undefined;
  const serviceManager = createServiceManager({ settings: notify, clock: systemClock, logger });
  const drainedMark = drainedMarkIn(config.dataFolder);
  const { machineId, journal } = openState(config, logger);
  requireSameCluster(config, journal);
  const keeper = config.credentials.kind === 'certificate' ? identityKeeper(config, machineId, logger) : undefined;

  const engine = createDockerEngine({
    dockerHost: config.dockerHost,
    clock: systemClock,
    timeouts: {
      createMs: config.createTimeoutMs,
      startMs: config.startTimeoutMs,
      pullMs: config.pullTimeoutMs,
      pullInactivityMs: config.pullInactivityTimeoutMs,
    },
  });
  const secrets = registrySecrets(config);
  const { images, cleanup } = createImageStore({
    config,
    engine,
    journal,
    secrets,
    wanted: () => agent.wantedImages(),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const taskNetwork = createBridgeNetwork({
    networks: engine,
    machineId,
    subnet: config.taskSubnet,
    routes: readHostRoutes,
    logger,
  });
  const local = config.dockerHost.startsWith('unix:');
  const taskCgroups = createTaskCgroups({ engine, local });
  const gpus = config.gpus ? { gpuIds: () => readGpuIds() } : {};
  const host = createHost({
    engine,
    taskNetwork,
    taskCgroups,
    ...gpus,
    registrySecrets: secrets !== undefined,
    agentVersion: version,
    agentHash: commit,
    ...config,
  });
  const watch = createWatch({
    settings: config.watch,
    dataFolder: config.dataFolder,
    engine,
    agent: () => agent,
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const endpoints = createLocalEndpoints({
    stats: watch.stats,
    settings: config.localEndpoints,
    engine,
    tasks: () => agent.tasks(),
    secret: endpointSecretIn(config.dataFolder, systemIds),
    cluster: config.cluster,
    version,
    availabilityZone: defaultAvailabilityZone,
    containerInstanceArn: () => journal.registration()?.containerInstanceArn,
    protect: (wish) => agent.protect(wish),
    listedImages: () => agent.listedImages(),
    clock: systemClock,
    logger,
  });
  const upgrade = createAgentUpgrade({
    config,
    clock: systemClock,
    logger,
    restart: (because) => ended.resolve({ code: exitCodes.update, because }),
  });
  const agent = createAgent({
    engine,
    execEngine: engine,
    images: withPauseImage(images, engine),
    taskNetwork,
    taskCgroups,
    ...(local ? { processes: createContainerProcesses() } : {}),
    fileSystems: config.fileSystems,
    journal,
    connect: createWebSocketConnector({ url: config.controlUrl, credentials: () => credentialsOf(config, keeper) }),
    host: async () => {
      const facts = await host.describe();
      const tags = [...(keeper === undefined ? [] : joinedIdentity(config).tags), ...facts.tags];
      const back = drainedMark.isSet() ? { backFromShutdown: true } : {};
      return {
        ...facts,
        ...back,
        tags,
        attributes: [...facts.attributes, ...endpoints.attributes(), ...upgrade.attributes()],
      };
    },
    endpointOf: endpoints.endpointOf,
    machineHealth: () => [...watch.machineHealth(), ...(keeper === undefined ? [] : [keeper.health()])],
    renewIdentity: () => keeper?.renewNow(),
    usedPorts: async () => [...config.reservedPorts, ...(await portsWithSockets())],
    clock: systemClock,
    ids: systemIds,
    random: systemRandom,
    logger,
    config: { ...config, defaultStopTimeout: Math.ceil(config.stopTimeoutMs / 1000) },
    update: upgrade.update,
    onOpened() {
      drainedMark.remove();
      upgrade.proven();
    },
    refused: (because) => ended.resolve({ code: exitCodes.useless, because }),
  });
  logger.info({ machineId, cluster: config.cluster, controlUrl: config.controlUrl }, 'the agent starts');
  await endpoints.start();
  keeper?.start();
  agent.start();
  cleanup?.start();
  watch.start();
  // Ready without a session and without an engine: both are waited for as long as it takes, and no restart would bring them.
  serviceManager.ready();
  const { code, because } = await ended.promise;
  const goesDown = code === exitCodes.stopped && isService && (await isMachineShuttingDown());
  serviceManager.stopping(goesDown ? config.shutdownDrainMs + leftLimitMs + stopLimitMs + marginMs : undefined);
  if (goesDown) {
    const limitMs = config.shutdownDrainMs;
    await leave({ agent, noteDrained: drainedMark.set, limitMs, clock: systemClock, logger });
  }
  upgrade.stop();
  logger.info(
    { because, goesDown },
    goesDown ? 'the agent stops with the machine' : 'the agent stops; containers go on',
  );
  try {
    const rest = Promise.all([agent.stop(), cleanup?.stop(), watch.stop(), keeper?.stop()]);
    await deadline(systemClock, stopLimitMs, 'the agent coming to rest', rest);
  } catch (error) {
    logger.warn({ error, underWay: agent.underWay() }, 'the agent stops without waiting for everything');
  }
  if (goesDown) {
    const left = { engine, machineId, tasks: journal.tasks(), clock: systemClock, logger };
    await stopWhatIsLeft({ ...left, defaultStopTimeout: Math.ceil(config.stopTimeoutMs / 1000), limitMs: leftLimitMs });
  }
  await endpoints.stop();
  journal.close();
  engine.close();
  return code;
}

/** `berth agent purge`: the journal's lock makes sure that no agent runs on it meanwhile. */
async function runPurge(config: AgentConfig, logger: Logger): Promise<number> {
  const { machineId, journal } = openState(config, logger);
  const engine = createDockerEngine({ dockerHost: config.dockerHost, clock: systemClock });
  try {
    const defaultStopTimeout = Math.ceil(config.stopTimeoutMs / 1000);
    const cgroups = createTaskCgroups({ engine, local: config.dockerHost.startsWith('unix:') });
    await purge({ engine, cgroups, networks: engine, machineId, tasks: journal.tasks(), defaultStopTimeout, logger });
    const { metadataAddress } = config.localEndpoints;
    if (metadataAddress !== undefined) await removeLocalEndpoints(metadataAddress, logger);
    return exitCodes.stopped;
  } finally {
    journal.close();
    engine.close();
  }
}

function openState({ dataFolder }: AgentConfig, logger: Logger): { machineId: string; journal: Journal } {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const { machineId, isKnown: machineIsKnown } = machineIdIn(dataFolder, systemIds);
  const path = join(dataFolder, 'journal.sqlite');
  return { machineId, journal: openJournal({ path, machineId, machineIsKnown, logger, now: systemClock.now() }) };
}

/** Control refers to tasks by their cluster: an agent that moves would leave them behind without a word. */
function requireSameCluster({ cluster, dataFolder }: AgentConfig, journal: Journal): void {
  const saved = journal.registration()?.cluster;
  if (saved === undefined || saved === cluster) return;
  throw new ConfigError(
    `ECS_CLUSTER: this agent is registered in cluster ${saved}, not ${cluster}; set it back, or deregister the instance and remove ${dataFolder}`,
  );
}

/** Throws a ConfigError when the file cannot be used. */
function registrySecrets({ registryCredentialsFile: path }: AgentConfig): RegistrySecrets | undefined {
  if (path === undefined) return undefined;
  const secrets = createRegistrySecrets(path);
  try {
    secrets.check();
  } catch (error) {
    throw new ConfigError(`BERTH_REGISTRY_CREDENTIALS_FILE: ${messageOf(error)}`, { cause: error });
  }
  return secrets;
}

/** The keys are made by another process: what makes them is not to stay in this one's memory. */
function identityKeeper(config: AgentConfig, machineId: string, logger: Logger): IdentityKeeper {
  const identity = joinedIdentity(config);
  if (identity.machineId !== machineId) {
    throw new ConfigError(
      `the certificate in ${config.dataFolder} is for machine ${identity.machineId}, and this is ${machineId}; join it anew`,
    );
  }
  return createIdentityKeeper({
    read: () => joinedIdentity(config),
    renew: async (signal) => void (await runOwnProgram(['agent', 'renew'], signal)),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
}

function joinedIdentity({ dataFolder }: AgentConfig): Identity {
  const identity = createIdentityFiles(dataFolder).read();
  if (identity === undefined)
    throw new IdentityError(`${dataFolder} holds no certificate any more; join the machine anew`);
  return identity;
}

async function credentialsOf(config: AgentConfig, keeper: IdentityKeeper | undefined): Promise<AgentCredentials> {
  const { credentials } = config;
  switch (credentials.kind) {
    case 'text':
      return { kind: 'token', token: credentials.token };
    case 'file':
      return { kind: 'token', token: readFileSync(credentials.path, 'utf8').trim() };
    case 'certificate': {
      const { keyPem: key, certificatePem: cert, bundle: ca } = (await keeper?.forSession()) ?? joinedIdentity(config);
      return { kind: 'certificate', key, cert, ca };
    }
  }
}
