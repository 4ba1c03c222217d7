/** The Docker adapter against an engine that misbehaves on purpose: a server on a socket of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import type { DockerTimeouts } from '#agent/engine/docker-timeouts.ts';
import { systemClock } from '#lib/clock.ts';
import { containerSpec } from '#test/support/container-specs.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let folder: string;
let server: Server;
let engine: DockerEngine;
let requests: string[];
let sockets: number;
let answer: Answer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-engine-'));
  requests = [];
  sockets = 0;
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  server.on('connection', () => sockets++);
  const path = join(folder, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  engine = connect();
});

function connect(timeouts: Partial<DockerTimeouts> = {}): DockerEngine {
  return createDockerEngine({ dockerHost: `unix://${join(folder, 'docker.sock')}`, clock: systemClock, timeouts });
}

afterEach(async () => {
  engine.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

test('create and start are one request each, over one connection, with nothing but the name in the URL', async () => {
  answer = (request, response) => {
    request.resume();
    response.statusCode = request.url?.includes('create') === true ? 201 : 204;
    response.end(response.statusCode === 201 ? '{"Id":"c0ffee"}' : undefined);
  };
  const id = await engine.create(containerSpec({ name: 'web', image: 'web:1' }));
  await engine.start(id);
  expect(requests).toEqual(['POST /containers/create?name=web', 'POST /containers/c0ffee/start']);
  expect(sockets).toBe(1);
});

test('names are put into paths as names', async () => {
  answer = (_, response) => response.writeHead(404).end('{"message":"no such container"}');
  expect(await engine.inspect('../images/x')).toBeUndefined();
  await expect(engine.inspectImage('x/../../containers/y')).rejects.toMatchObject({ kind: 'invalid' });
  expect(requests).toEqual(['GET /containers/..%2Fimages%2Fx/json']);
});

test('an engine that never answers cannot be asked, and what it was told may have happened', async () => {
  answer = () => undefined;
  engine.close();
  engine = connect({ inspectMs: 50, pullFirstByteMs: 50 });
  await expect(engine.inspect('web')).rejects.toMatchObject({
    kind: 'unreachable',
    message: 'inspection of container web took longer than 0.05 s',
  });
  await expect(engine.pull('web:1', {})).rejects.toMatchObject({
    kind: 'timeout',
    message: 'pull of web:1 did not begin within 0.05 s',
  });
});

test('an engine that dies in the middle of its answer leaves nobody waiting', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"Id":', () => response.destroy());
  };
  engine.close();
  engine = connect({ inspectMs: 50 });
  await expect(engine.inspect('web')).rejects.toMatchObject({ kind: expect.stringMatching(/unreachable|timeout/) });
});

test('an answer that is no engine’s is not “no such thing”', async () => {
  answer = (_, response) => response.end('{"hello":"world"}');
  await expect(engine.inspectImage('web:1')).rejects.toMatchObject({ kind: 'internal' });
});

test('events end by throwing when the engine goes, and quietly when called off', async () => {
  answer = (_, response) => {
    response.writeHead(200);
    response.write(`${JSON.stringify({ Type: 'container', Action: 'start', Actor: { ID: 'a' }, time: 1 })}\n`);
  };
  const { signal } = new AbortController();
  const events = (await engine.events({ labelKeys: ['x'], signal }))[Symbol.asyncIterator]();
  expect(await events.next()).toMatchObject({ value: { action: 'start', containerId: 'a' } });
  server.closeAllConnections();
  await expect(events.next()).rejects.toMatchObject({ kind: 'unreachable' });

  const controller = new AbortController();
  const others = (await engine.events({ labelKeys: ['x'], signal: controller.signal }))[Symbol.asyncIterator]();
  await others.next();
  controller.abort();
  expect(await others.next()).toMatchObject({ done: true });
});

test('an error in the stream of a pull is the registry’s word', async () => {
  answer = (_, response) => {
    response.write('{"status":"Pulling from web"}\n');
    response.end('{"errorDetail":{"message":"toomanyrequests: slow down"},"error":"toomanyrequests: slow down"}\n');
  };
  await expect(engine.pull('web', {})).rejects.toMatchObject({
    kind: 'rate-limited',
    message: 'toomanyrequests: slow down',
  });
  expect(requests).toEqual(['POST /images/create?fromImage=web&tag=latest']);
});

test.each(['ssh://host', 'unix:', 'tcp://', 'nonsense'])('%s is no address of an engine', (dockerHost) => {
  expect(() => createDockerEngine({ dockerHost, clock: systemClock })).toThrow(RangeError);
});
