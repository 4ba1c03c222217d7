/** The session over a real WebSocket on the loopback interface: the door, the link, and a whole exchange. */
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { hostFacts } from '#test/support/agent-session-under-test.ts';
import { createMemorySessionState } from '#test/support/memory-session-state.ts';
import { createSession } from '#agent/session/connection.ts';
import { ConnectError } from '#agent/session/connector.ts';
import { createWebSocketConnector } from '#agent/session/websocket.ts';
import { agentPath } from '#control/sessions/agent-door.ts';
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
import { closeCodes } from '#protocol/session/close-codes.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';

const agentToken = 'a-token-that-nobody-guesses';
const limitMs = 10_000;

let store: Store;
let sessions: Sessions;
let httpServer: Server;
let sessionServer: SessionServer;
let url: string;
let sockets: Socket[];

beforeEach(async () => {
  store = await createSqliteStore({ path: ':memory:' });
  await store.write((tx) => tx.clusters.put(aCluster()));
  sessions = createSessions({
    store,
    clock: systemClock,
    ids: systemIds,
    random: systemRandom,
    realm: defaultRealm,
    logger: silentLogger,
    heartbeatIntervalMs: 10_000,
  });
  await sessions.start();
  httpServer = createServer((_request, response) => response.end('http'));
  sockets = [];
  httpServer.on('connection', (socket) => sockets.push(socket));
  sessionServer = attachSessionServer([httpServer], {
    trust: noTrust,
    sessions,
    agentToken,
    clock: systemClock,
    logger: silentLogger,
  });
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  const address = httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `ws://127.0.0.1:${address.port}${agentPath}`;
});

afterEach(async () => {
  await sessions.stop();
  await sessionServer.close();
  httpServer.closeAllConnections();
  await new Promise((resolve) => httpServer.close(resolve));
  await store.close();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = systemClock.now() + limitMs;
  while (!(await condition())) {
    if (systemClock.now() > end) throw new Error('the condition did not come true');
    await systemClock.sleep(5);
  }
}

const nothing = { message: () => undefined, closed: () => undefined };

describe('the door', () => {
  it.each(['', 'wrong', `${agentToken}x`])(
    'refuses the token "%s" with 401 before there is a WebSocket',
    async (token) => {
      const connect = createWebSocketConnector({ url, credentials: () => ({ kind: 'token', token: token }) });
      const refused = connect(nothing, new AbortController().signal);
      await expect(refused).rejects.toBeInstanceOf(ConnectError);
      await expect(refused).rejects.toMatchObject({ code: closeCodes.unauthorized });
    },
  );

  it('refuses another subprotocol and another path', async () => {
    const headers = { authorization: `Bearer ${agentToken}` };
    expect(await refusedStatus(new WebSocket(url, 'berth.agent.v9', { headers }))).toBe(400);
    expect(await refusedStatus(new WebSocket(url, { headers }))).toBe(400);
    expect(await refusedStatus(new WebSocket(`${url}/else`, subprotocol, { headers }))).toBe(404);
  });

  it('refuses a caller who knocks hundreds of times in a moment', async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 16; round++) {
      const knocks = Array.from({ length: 20 }, () => refusedStatus(new WebSocket(url, subprotocol)));
      for (const status of await Promise.all(knocks)) statuses.add(status);
    }
    expect([...statuses]).toEqual([401, 429]);
  });

  it('leaves ordinary requests alone', async () => {
    const response = await fetch(url.replace('ws:', 'http:'));
    expect(await response.text()).toBe('http');
  });
});

function refusedStatus(webSocket: WebSocket): Promise<number> {
  return new Promise((resolve, reject) => {
    webSocket.on('unexpected-response', (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    webSocket.on('error', () => undefined);
    webSocket.on('open', () => reject(new Error('opened')));
  });
}

describe('a link', () => {
  async function ended(send: (webSocket: WebSocket) => void): Promise<{ code: number; reason: string }> {
    const webSocket = new WebSocket(url, subprotocol, { headers: { authorization: `Bearer ${agentToken}` } });
    const end = new Promise<{ code: number; reason: string }>((resolve) =>
      webSocket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    webSocket.on('error', () => undefined);
    webSocket.on('open', () => send(webSocket));
    return end;
  }

  it('ends with a reason at garbage, binary and huge messages, and control lives on', async () => {
    expect(await ended((webSocket) => webSocket.send('garbage'))).toMatchObject({ code: closeCodes.invalidMessage });
    expect(await ended((webSocket) => webSocket.send(Buffer.from([1, 2])))).toMatchObject({
      code: closeCodes.invalidMessage,
    });
    expect(await ended((webSocket) => webSocket.send('x'.repeat(maximumMessageBytes + 1)))).toMatchObject({
      code: closeCodes.tooLarge,
    });
    expect((await fetch(url.replace('ws:', 'http:'))).status).toBe(200);
  });
});

describe('a stop of control', () => {
  it.each([
    ['sessions first', () => sessions.stop()],
    ['door first', () => Promise.resolve()],
  ])('says goodbye to agents, and does not wait for one that no longer answers: %s', async (_case, first) => {
    const webSocket = new WebSocket(url, subprotocol, { headers: { authorization: `Bearer ${agentToken}` } });
    await new Promise((resolve) => webSocket.on('open', resolve));
    webSocket.pause();
    const before = systemClock.now();
    await first();
    await sessionServer.close();
    expect(systemClock.now() - before).toBeLessThan(5000);
    const closed = new Promise((resolve) => webSocket.on('close', resolve));
    webSocket.resume();
    expect(await closed).toBe(closeCodes.goingAway);
  });
});

describe('a real agent', () => {
  it('is served, loses the link and is served again', async () => {
    const memory = createMemorySessionState();
    const session = createSession({
      connect: createWebSocketConnector({ url, credentials: () => ({ kind: 'token', token: agentToken }) }),
      state: memory,
      cluster: 'default',
      incarnation: 'incarnation-0001',
      host: () => Promise.resolve(hostFacts),
      health: () => ({ status: 'OK' }),
      logs: {
        async *open() {
          await Promise.resolve();
          yield { stream: 'stdout', at: 1, text: 'über die Leitung' };
        },
      },
      execs: { start: () => Promise.reject(new Error('no commands here')) },
      onAssigned: () => undefined,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    session.start();
    await until(() => session.state.name === 'serving');
    expect(sessions.connected()).toBe(1);
    const [instance] = await store.read((tx) => tx.containerInstances.list({}));
    expect(instance?.agentConnected).toBe(true);

    for (const socket of sockets) socket.destroy();
    await until(() => session.state.name !== 'serving');
    await until(() => session.state.name === 'serving');
    session.stop();
    await until(async () => {
      const [row] = await store.read((tx) => tx.containerInstances.list({}));
      return row?.agentConnected === false;
    });
  });

  it('gives up an attempt when told to', async () => {
    const abort = new AbortController();
    const attempt = createWebSocketConnector({ url, credentials: () => ({ kind: 'token', token: agentToken }) })(
      nothing,
      abort.signal,
    );
    abort.abort(new Error('enough'));
    await expect(attempt).rejects.toThrow('enough');
  });

  it('cannot reach a control that is not there', async () => {
    const connect = createWebSocketConnector({
      url: 'ws://127.0.0.1:1/agent',
      credentials: () => ({ kind: 'token', token: agentToken }),
    });
    await expect(connect(nothing, new AbortController().signal)).rejects.toThrow('ECONNREFUSED');
  });
});
