/**
 * The ContainerEngine port on a Docker Engine. Create and start are one request each, so are all others except `describe`, `logs`
 * and a `remove` that meets another. Errors keep the engine's words (docker-errors.ts); deadlines are in docker-timeouts.ts.
 */
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { Clock } from '#lib/clock.ts';
import { EngineError, type CallOptions, type ContainerEngine, type EngineEvent } from './container-engine.ts';
import { buffersOf, connectDocker } from './docker-connection.ts';
import { engineErrorOf, hasStatus, pullErrorOf } from './docker-errors.ts';
import { eventOf, watchedEvents } from './docker-events.ts';
import { dockerExec } from './docker-exec.ts';
import { linesOf, logEntriesOf } from './docker-logs.ts';
import { observationOf } from './docker-observation.ts';
import { dockerNetworks } from './docker-networks.ts';
import { readProgress, watchSilence } from './docker-pull.ts';
import { descriptionOf, imageDescriptionOf, listedImageOf } from './docker-description.ts';
import { createBody } from './docker-spec.ts';
import { dockerStats } from './docker-stats.ts';
import { defaultTimeouts, type DockerTimeouts } from './docker-timeouts.ts';
import type { EngineExec } from './engine-exec.ts';
import type { EngineNetworks } from './engine-networks.ts';
import type { EngineStatsReader } from './engine-stats-reader.ts';
import { parseImageReference, type ImageReference } from '#model/image-reference.ts';

export interface DockerEngineOptions {
  /** `unix:///path` or `tcp://host:port`. */
  dockerHost: string;
  clock: Clock;
  timeouts?: Partial<DockerTimeouts>;
}

export interface ImportRequest extends CallOptions {
  repository: string;
  tag: string;
  /** Dockerfile instructions, as in `CMD ["/bin/sh"]`. */
  changes: readonly string[];
}

export interface DockerEngine extends ContainerEngine, EngineExec, EngineNetworks, EngineStatsReader {
  /** Makes an image of one layer from a tar archive of its file system. */
  importImage(archive: Readable, request: ImportRequest): Promise<void>;
  /** Ends the connections that are kept open. */
  close(): void;
}

/** Throws a RangeError when `dockerHost` is no address. Does not connect before the first call. */
export function createDockerEngine({ dockerHost, clock, timeouts: changed }: DockerEngineOptions): DockerEngine {
  const timeouts: DockerTimeouts = { ...defaultTimeouts, ...changed };
  const connection = connectDocker({ dockerHost, clock });
  const { docker, call, open, get } = connection;
  const isQuestion = true;

  function container(idOrName: string): Docker.Container {
    return docker.getContainer(encodeURIComponent(idOrName));
  }

  async function pull(reference: string, options: Parameters<ContainerEngine['pull']>[1]): Promise<void> {
    const { credentials, onProgress, signal } = options;
    const wanted = requireReference(reference);
    const what = `pull of ${reference}`;
    const silence = watchSilence(clock, what, timeouts);
    const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    const login = credentials && {
      username: credentials.username,
      password: credentials.password,
      serveraddress: credentials.serverAddress ?? wanted.registry,
    };
    try {
      await call({ what, ms: timeouts.pullMs, signal: either }, async (abortSignal) => {
        try {
          const query = { fromImage: wanted.name, tag: wanted.digest ?? wanted.tag, abortSignal };
          const stream = await docker.createImage(login, query);
          stream.on('data', silence.heard);
          await readProgress(buffersOf(stream), onProgress);
        } catch (error) {
          throw pullErrorOf(error, dockerHost);
        }
      });
    } catch (error) {
      throw silence.error() ?? error;
    } finally {
      silence.stop();
    }
  }

  return {
    async ping({ signal } = {}) {
      await call({ what: 'ping', ms: timeouts.pingMs, signal, isQuestion }, (abortSignal) =>
        get('/_ping', abortSignal),
      );
    },

    describe({ signal } = {}) {
      return call({ what: 'description', ms: timeouts.describeMs, signal, isQuestion }, async (abortSignal) => {
        const [info, version] = await Promise.all([get('/info', abortSignal), get('/version', abortSignal)]);
        return descriptionOf(info, version);
      });
    },

    async inspectImage(reference, { signal } = {}) {
      requireReference(reference);
      const request = { what: `inspection of image ${reference}`, ms: timeouts.inspectMs, signal, isQuestion };
      return call(request, async (abortSignal) => {
        const found = await get(`/images/${reference}/json`, abortSignal).catch(unlessStatus(404));
        return found === undefined ? undefined : imageDescriptionOf(found, reference);
      });
    },

    async listImages({ signal } = {}) {
      const found = await call({ what: 'list of images', ms: timeouts.listMs, signal, isQuestion }, (abortSignal) =>
        docker.listImages({ abortSignal }),
      );
      return found.map(listedImageOf);
    },

    async removeImage(reference, { signal } = {}) {
      requireReference(reference);
      await call({ what: `removal of image ${reference}`, ms: timeouts.removeImageMs, signal }, () =>
        docker.getImage(reference).remove().catch(unlessStatus(404)),
      );
    },

    pull,

    async create(spec, { signal } = {}) {
      const request = { what: `creation of container ${spec.name}`, ms: timeouts.createMs, signal };
      const created = await call(request, (abortSignal) => {
        // docker-modem puts all options into the URL as well unless they are told apart like this.
        const options = { _query: { name: spec.name }, _body: createBody(spec), abortSignal };
        return docker.createContainer(options);
      });
      return created.id;
    },

    async start(idOrName, { signal } = {}) {
      await call({ what: `start of container ${idOrName}`, ms: timeouts.startMs, signal }, (abortSignal) =>
        container(idOrName).start({ abortSignal }).catch(unlessStatus(304)),
      );
    },

    async stop(idOrName, { timeoutSeconds, signal }) {
      const ms = timeoutSeconds * 1000 + timeouts.stopGraceMs;
      await call({ what: `stop of container ${idOrName}`, ms, signal }, (abortSignal) =>
        container(idOrName)
          .stop({ t: Math.ceil(timeoutSeconds), abortSignal })
          .catch(unlessStatus(304, 404)),
      );
    },

    async kill(idOrName, signalName, { signal } = {}) {
      await call({ what: `kill of container ${idOrName}`, ms: timeouts.killMs, signal }, (abortSignal) =>
        container(idOrName).kill({ signal: signalName, abortSignal }).catch(unlessStatus(404, 409)),
      );
    },

    async remove(idOrName, { signal } = {}) {
      await call({ what: `removal of container ${idOrName}`, ms: timeouts.removeMs, signal }, async (abortSignal) => {
        try {
          const options = { v: true, force: true, abortSignal };
          await container(idOrName).remove(options);
        } catch (error) {
          // Somebody else is removing it: that removal is ours too, so wait for its end.
          if (hasStatus(error, 409)) {
            await container(idOrName).wait({ condition: 'removed', abortSignal }).catch(unlessStatus(404));
          } else if (!hasStatus(error, 404)) throw error;
        }
      });
    },

    async inspect(idOrName, { signal } = {}) {
      const request = { what: `inspection of container ${idOrName}`, ms: timeouts.inspectMs, signal, isQuestion };
      const found = await call(request, (abortSignal) =>
        container(idOrName).inspect({ abortSignal }).catch(unlessStatus(404)),
      );
      return found === undefined ? undefined : observationOf(found);
    },

    async list(labels, { signal } = {}) {
      const label = Object.entries(labels).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
      const found = await call({ what: 'list of containers', ms: timeouts.listMs, signal, isQuestion }, (abortSignal) =>
        docker.listContainers({ all: true, filters: { label }, abortSignal }),
      );
      return found.map(({ Id: id, Names: names, ImageID: imageId, Labels }) => ({
        id,
        name: ownName(names),
        imageId,
        labels: Labels ?? {},
      }));
    },

    async events({ labelKeys, sinceMs, signal }) {
      const filters = { type: ['container'], label: [...labelKeys], event: [...watchedEvents] };
      // The engine answers a moment before it listens; asking from now on closes that gap.
      const since = (sinceMs ?? clock.now()) / 1000;
      const request = { what: 'event stream', ms: timeouts.streamOpenMs, signal };
      const chunks = await open(request, (abortSignal) =>
        docker.getEvents({ ...eventQuery(since, filters), abortSignal }),
      );
      return readEvents(chunks, signal, dockerHost);
    },

    async *logs(idOrName, { follow, tail, sinceMs, signal }) {
      const what = `logs of container ${idOrName}`;
      const inspected = await call({ what, ms: timeouts.inspectMs, signal }, (abortSignal) =>
        container(idOrName).inspect({ abortSignal }),
      );
      const query = {
        follow,
        stdout: true,
        stderr: true,
        timestamps: true,
        ...(tail !== undefined && { tail }),
        ...(sinceMs !== undefined && { since: sinceMs / 1000 }),
      };
      // Without `follow` dockerode would collect all before it answers.
      const chunks = await open({ what, ms: timeouts.streamOpenMs, signal }, (abortSignal) => {
        const options = { follow: true as const, _query: query, abortSignal };
        return container(idOrName).logs(options);
      });
      try {
        yield* logEntriesOf(chunks, { terminal: inspected.Config.Tty });
      } catch (error) {
        if (!signal.aborted) throw engineErrorOf(error, dockerHost);
      }
    },

    async createVolume(spec, { signal } = {}) {
      await call({ what: `creation of volume ${spec.name}`, ms: timeouts.volumeMs, signal }, (abortSignal) =>
        docker.createVolume({
          Name: spec.name,
          Driver: spec.driver,
          DriverOpts: { ...spec.driverOptions },
          Labels: { ...spec.labels },
          abortSignal,
        }),
      );
    },

    async inspectVolume(name, { signal } = {}) {
      const request = { what: `inspection of volume ${name}`, ms: timeouts.volumeMs, signal, isQuestion };
      const found = await call(request, () =>
        docker.getVolume(encodeURIComponent(name)).inspect().catch(unlessStatus(404)),
      );
      return found && { name: found.Name, driver: found.Driver, labels: found.Labels ?? {} };
    },

    async removeVolume(name, { signal } = {}) {
      await call({ what: `removal of volume ${name}`, ms: timeouts.volumeMs, signal }, (abortSignal) =>
        docker.getVolume(encodeURIComponent(name)).remove({ abortSignal }).catch(unlessStatus(404)),
      );
    },

    async importImage(archive, { repository, tag, changes, signal }) {
      const request = { what: `import of image ${repository}:${tag}`, ms: timeouts.importMs, signal };
      await call(request, async (abortSignal) => {
        const query = { repo: repository, tag, changes: [...changes], abortSignal };
        const stream = await docker.importImage(archive, query);
        await readProgress(buffersOf(stream));
      });
    },

    ...dockerExec(connection, timeouts),
    ...dockerNetworks(connection, timeouts),
    ...dockerStats({ connection, timeouts, clock }),

    close: () => connection.close(),
  };
}

/** A reference becomes part of a URL's path, so only a well-formed one gets through. */
function requireReference(reference: string): ImageReference {
  const parsed = parseImageReference(reference);
  if (parsed === undefined) throw new EngineError('invalid', `invalid reference format: ${JSON.stringify(reference)}`);
  return parsed;
}

/** Turns an HTTP status that means "already so" or "no such thing" into undefined. */
function unlessStatus(...statusCodes: number[]): (error: unknown) => undefined {
  return (error) => {
    if (hasStatus(error, ...statusCodes)) return undefined;
    throw error;
  };
}

/** With links, a container is listed under `/other/alias` too. */
function ownName(names: readonly string[]): string {
  const own = names.find((name) => name.lastIndexOf('/') === 0) ?? names[0] ?? '';
  return own.replace(/^\//, '');
}

/** dockerode's types allow only one spelling of the filters. */
function eventQuery(since: number, filters: Readonly<Record<string, readonly string[]>>): Docker.GetEventsOptions {
  return { since, filters: JSON.stringify(filters) };
}

async function* readEvents(
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal,
  where: string,
): AsyncGenerator<EngineEvent> {
  try {
    for await (const line of linesOf(chunks)) {
      const event = eventOf(line);
      if (event !== undefined) yield event;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw engineErrorOf(error, where);
  }
  if (!signal.aborted) throw new EngineError('unreachable', `the engine at ${where} ended its event stream`);
}
