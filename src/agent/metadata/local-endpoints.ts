/**
 * All that the agent offers on its own machine, started and stopped as one: the task endpoints at the link-local address, for containers, and
 * introspection, for people and monitors. Each is served whole or not at all: when one cannot be, the log says why once, the instance's
 * attributes say so to everybody else, and tasks run without it.
 */
import { networkInterfaces } from 'node:os';
import type { Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { Attribute } from '#model/attributes.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import { createLinkLocal, LinkLocalError, type LinkLocal } from '../host/link-local.ts';
import type { StatsSource } from '../stats/stats-source.ts';
import { taskHasStopped, type AgentTask } from '../tasks/agent-task.ts';
import type { ContainerEndpoint } from '../tasks/endpoint-variables.ts';
import { createEndpointIds, createEndpointLookup } from './endpoint-ids.ts';
import { introspectionRoutes, type IntrospectionOptions } from './introspection.ts';
import { startLocalServer, type LocalServer } from './local-server.ts';
import { createLooks } from './looks.ts';
import { protectionRoutes, type ProtectionEndpointOptions } from './protection-endpoint.ts';
import { createRateLimiter, type RateLimit } from './rate-limit.ts';
import { roleEndpointRoutes } from './role-endpoints.ts';
import { createRouter, failure, type Answer, type LocalRequest } from './routes.ts';
import { taskEndpointRoutes } from './task-endpoint.ts';

export interface LocalEndpointSettings {
  /** Where containers find the task endpoints, at port 80; undefined: nowhere. */
  metadataAddress: string | undefined;
  rateLimit: RateLimit;
  /** 0: no introspection. */
  introspectionPort: number;
  /** Whether other machines may ask, too. */
  introspectionOffHost: boolean;
}

export interface LocalEndpointOptions {
  settings: LocalEndpointSettings;
  engine: Pick<ContainerEngine, 'inspect'>;
  tasks(): readonly AgentTask[];
  stats?: StatsSource | undefined;
  /** From which the ids in URLs follow (see endpoint-ids.ts). */
  secret: string;
  cluster: string;
  version: string;
  availabilityZone: string;
  containerInstanceArn(): string | undefined;
  protect: ProtectionEndpointOptions['protect'];
  listedImages: IntrospectionOptions['listedImages'];
  clock: Clock;
  logger: Logger;
}

export interface LocalEndpoints {
  /** Once, before containers are launched. Resolves when everything that can be is served. */
  start(): Promise<void>;
  /** Ends the servers. The address stays as long as a task may ask there again after the next start. */
  stop(): Promise<void>;
  /** What a container is told of them; undefined while task endpoints are not served. */
  endpointOf(taskArn: string, container: string): ContainerEndpoint | undefined;
  /** Whether this machine has task endpoints, for its registration. */
  attributes(): Attribute[];
}

/** Containers ask at port 80; the agent listens beside it, at the port that ECS reserves for that. */
const containerPort = 80;
const agentPort = 51_679;
/** The engine's own bridge, and the network of tasks with an address of their own. */
const defaultBridge = 'docker0';
const taskBridges: readonly string[] = [defaultBridge, 'berth-+'];

const repairEveryMs = 5 * 60_000;

const endpointsAttribute = 'berth.task-metadata';

export function createLocalEndpoints(options: LocalEndpointOptions): LocalEndpoints {
  const { settings, engine, tasks, clock } = options;
  const logger = options.logger.child({ part: 'local endpoints' });
  const ids = createEndpointIds(options.secret);
  const find = createEndpointLookup(ids, tasks);
  const looks = createLooks({ engine, clock, logger });
  const servers: LocalServer[] = [];
  const ending = new AbortController();
  let served: { origin: string; linkLocal: LinkLocal } | undefined;
  let repairs: Promise<void> | undefined;

  async function serveTasks(address: string): Promise<void> {
    const router = createRouter([
      ...taskEndpointRoutes({ ...options, find, looks }),
      ...protectionRoutes({ ...options, find }),
      ...roleEndpointRoutes(find),
    ]);
    const allows = createRateLimiter(settings.rateLimit, clock);
    const tooMany = failure(429, 'too many requests: ask again later');
    const linkLocal = linkLocalAt(address);
    try {
      await linkLocal.ensure();
      const answer = async (request: LocalRequest): Promise<Answer> => (allows() ? router(request) : tooMany);
      servers.push(await startLocalServer({ host: address, port: agentPort, logger, answer }));
      served = { origin: `http://${address}`, linkLocal };
      repairs = repairUntilStopped(linkLocal);
    } catch (error) {
      logger.warn({ error, address, because: messageOf(error) }, 'tasks run without task metadata');
    }
  }

  /** A firewall that is loaded anew takes the rules with it. */
  async function repairUntilStopped(linkLocal: LinkLocal): Promise<void> {
    for (;;) {
      try {
        await clock.sleep(repairEveryMs, ending.signal);
      } catch (error) {
        if (ending.signal.aborted) return;
        throw error;
      }
      try {
        await linkLocal.repair();
      } catch (error) {
        logger.warn({ error }, 'the way to task metadata could not be looked after; it is tried again');
      }
    }
  }

  async function serveIntrospection(): Promise<void> {
    const answer = createRouter(introspectionRoutes({ ...options, looks }));
    const port = settings.introspectionPort;
    for (const host of introspectionHosts(settings.introspectionOffHost)) {
      try {
        servers.push(await startLocalServer({ host, port, answer, logger }));
      } catch (error) {
        logger.warn({ error, host, port }, 'introspection is not available');
      }
    }
  }

  return {
    async start() {
      if (settings.introspectionPort !== 0) await serveIntrospection();
      if (settings.metadataAddress !== undefined) await serveTasks(settings.metadataAddress);
    },
    async stop() {
      ending.abort(new Error('the agent stops'));
      await repairs;
      // As long as the server has its socket no other agent can be about to use the address.
      if (served !== undefined && tasks().every(taskHasStopped)) await removeQuietly(served.linkLocal, logger);
      await Promise.all(servers.map((server) => server.close()));
    },
    endpointOf: (taskArn, container) =>
      served === undefined ? undefined : { origin: served.origin, id: ids.idOf(taskArn, container) },
    attributes: () => [{ name: endpointsAttribute, value: served === undefined ? 'unavailable' : 'available' }],
  };
}

/** After the last container of a stopped agent was taken away: the address goes, too, unless another agent serves there. */
export async function removeLocalEndpoints(address: string, logger: Logger): Promise<void> {
  let server: LocalServer;
  try {
    server = await startLocalServer({
      host: address,
      port: agentPort,
      logger,
      answer: () => Promise.resolve(failure(503, 'the agent does not run')),
    });
  } catch (error) {
    logger.debug({ error, address }, 'the link-local address is not there, or another agent serves at it');
    return;
  }
  await removeQuietly(linkLocalAt(address), logger);
  await server.close();
}

function linkLocalAt(address: string): LinkLocal {
  return createLinkLocal({ address, port: containerPort, agentPort, bridges: taskBridges });
}

async function removeQuietly(linkLocal: LinkLocal, logger: Logger): Promise<void> {
  try {
    await linkLocal.remove();
  } catch (error) {
    if (!(error instanceof LinkLocalError)) throw error;
    logger.warn({ error }, 'the link-local address could not be taken back');
  }
}

/** Loopback, and the engine's bridge so that containers can ask, but nobody from outside. */
function introspectionHosts(offHost: boolean): string[] {
  if (offHost) return ['0.0.0.0'];
  const bridge = networkInterfaces()[defaultBridge]?.find(({ family }) => family === 'IPv4')?.address;
  return ['127.0.0.1', ...(bridge === undefined ? [] : [bridge])];
}
