/** The door of those who run a command, over real WebSockets on the loopback interface. docs/exec.md. */
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createSession, type AgentSession } from '#agent/session/connection.ts';
import type { RunningExec } from '#agent/session/exec-streams.ts';
import { createWebSocketConnector } from '#agent/session/websocket.ts';
import { connectExec } from '#cli/exec/connection.ts';
import type { LocalStreams } from '#cli/exec/local-streams.ts';
import { runExec } from '#cli/exec/run-exec.ts';
import { agentPath } from '#control/sessions/agent-door.ts';
import type { ExecGrant } from '#control/sessions/exec-grants.ts';
import { attachSessionServer, type SessionServer } from '#control/sessions/server.ts';
import { createSessions, type Sessions } from '#control/sessions/sessions.ts';
import { noTrust } from '#test/support/trust-world.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { systemClock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { systemRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import { execPath, execSubprotocol, maximumExecBytes } from '#protocol/exec/messages.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { hostFacts } from '#test/support/agent-session-under-test.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { createMemorySessionState } from '#test/support/memory-session-state.ts';

const agentToken = 'a-token-that-nobody-guesses';

let store: Store;
let sessions: Sessions;
let httpServer: Server;
let sessionServer: SessionServer;
let agent: AgentSession;
let base: string;
beforeEach(async () => {
  store = await createSqliteStore({ path: ':memory:' });
  await store.write((tx) => tx.clusters.put(aCluster()));
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  sessions = createSessions({ ...common, store, ids: systemIds, realm: defaultRealm, heartbeatIntervalMs: 10_000 });
  await sessions.start();
  httpServer = createServer();
  sessionServer = attachSessionServer([httpServer], {
    trust: noTrust,
    ...common,
    sessions,
    agentToken,
  });
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  const address = httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  base = `ws://127.0.0.1:${address.port}`;
  const serving = Promise.withResolvers<void>();
  agent = createSession({
    ...common,
    connect: createWebSocketConnector({
      url: `${base}${agentPath}`,
      credentials: () => ({ kind: 'token', token: agentToken }),
    }),
    state: {
      ...createMemorySessionState(),
      saveRegistration: () => serving.resolve(),
    },
    cluster: 'default',
    incarnation: 'incarnation-0001',
    host: () => Promise.resolve(hostFacts),
    health: () => ({ status: 'OK' }),
    logs: {
      open() {
        throw new Error('no logs');
      },
    },
    execs: { start: () => Promise.resolve(shouting()) },
    onAssigned: () => undefined,
  });
  agent.start();
  await serving.promise;
});
afterEach(async () => {
  agent.stop();
  await sessions.stop();
  await sessionServer.close();
  httpServer.closeAllConnections();
  await new Promise((resolve) => httpServer.close(resolve));
  await store.close();
});

/** A command that writes what it reads in capitals. */
function shouting(): RunningExec {
  const read: string[] = [];
  const ended = Promise.withResolvers<void>();
  return {
    output: (async function* say() {
      await ended.promise;
      yield { stream: 'stdout' as const, data: Buffer.from(read.join('').toUpperCase()) };
    })(),
    write: (data) => Promise.resolve(void read.push(Buffer.from(data).toString())),
    endInput: () => ended.resolve(),
    resize: () => undefined,
    exitCode: () => Promise.resolve(7),
    close: () => undefined,
    abandon: () => ended.resolve(),
  };
}

async function grant(): Promise<ExecGrant> {
  const [instance] = await store.read((tx) => tx.containerInstances.list({}));
  return sessions.execs.grant({
    taskArn: 'arn:task',
    containerName: 'main',
    containerInstanceArn: instance?.containerInstanceArn ?? '',
    command: ['shout'],
    interactive: true,
    principalArn: 'arn:somebody',
  });
}

/** The HTTP status of a refusal, or how the WebSocket that it became was closed. */
function outcome(path: string, subprotocol: string, say?: (webSocket: WebSocket) => void): Promise<number> {
  return new Promise((resolve) => {
    const webSocket = new WebSocket(`${base}${path}`, subprotocol);
    webSocket.on('unexpected-response', (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    webSocket.on('error', () => undefined);
    webSocket.on('open', () => say?.(webSocket));
    webSocket.on('close', resolve);
  });
}

it('lets nobody in whose session it does not expect, or who speaks another protocol', async () => {
  const { sessionId } = await grant();
  expect(await outcome(`${execPath}unknown`, execSubprotocol)).toBe(404);
  expect(await outcome(`${execPath}${sessionId}`, 'aws.session')).toBe(400);
  expect(await outcome(`${execPath}${sessionId}/more`, execSubprotocol)).toBe(404);
});

it('takes no frame that is longer than a frame may be', async () => {
  const { sessionId } = await grant();
  const say = (webSocket: WebSocket): void => webSocket.send(Buffer.alloc(maximumExecBytes + 2));
  expect(await outcome(`${execPath}${sessionId}`, execSubprotocol, say)).toBe(closeCodes.tooLarge);
});

it('carries a command from end to end', async () => {
  const { sessionId, token } = await grant();
  let said = '';
  const streams: LocalStreams = {
    input: (async function* type() {
      yield Buffer.from('hello ');
      await Promise.resolve();
      yield Buffer.from('there');
    })(),
    write: (_stream, data) => Promise.resolve(void (said += Buffer.from(data).toString())),
    isTerminal: false,
    size: () => ({ columns: 80, rows: 24 }),
    onResize: () => () => undefined,
    takeKeys: () => () => undefined,
  };
  const { signal } = new AbortController();
  const url = `${base}${execPath}${sessionId}`;
  const connect = (handlers: Parameters<typeof connectExec>[0]['handlers']) => connectExec({ url, handlers, signal });
  const code = await runExec({ connect, token, interactive: true, streams, clock: systemClock, signal });
  expect([said, code]).toEqual(['HELLO THERE', 7]);

  const handlers = { text: () => undefined, binary: () => undefined, closed: () => undefined };
  await expect(connectExec({ url, handlers, signal })).rejects.toThrow('there is no such session, it was used');
});

it('says goodbye to who is connected when control goes down', async () => {
  const { sessionId, token } = await grant();
  const connected = Promise.withResolvers<void>();
  const end = outcome(`${execPath}${sessionId}`, execSubprotocol, (webSocket) => {
    webSocket.once('message', () => connected.resolve());
    webSocket.send(JSON.stringify({ type: 'open', token }));
  });
  await connected.promise;
  await sessionServer.close();
  expect(await end).toBe(closeCodes.goingAway);
});
