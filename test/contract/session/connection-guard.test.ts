/** Connections on which nothing is under way, over real sockets: too many of them keep out nobody who means business. */
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { guardConnections, type ConnectionGuard } from '#control/sessions/connection-guard.ts';
import { systemClock } from '#lib/clock.ts';
import { createLogger } from '#lib/logger.ts';
import { eventually } from '#test/support/real-cell.ts';

const limits = { ofOneAddress: 3, inAll: 5 };
let server: Server;
let guard: ConnectionGuard;
let port: number;
let lines: string[];
let sockets: Socket[];
/** Requests for /slow are answered when this is called. */
let answerSlow: () => void;

beforeEach(async () => {
  lines = [];
  sockets = [];
  const slow = new Promise<void>((resolve) => (answerSlow = resolve));
  server = createServer((request, response) => {
    if (request.url === '/slow') void slow.then(() => response.end('late'));
    else response.end('here');
  });
  const logger = createLogger({ name: 'test', stream: { write: (line) => void lines.push(line) } });
  guard = guardConnections([server], { clock: systemClock, logger, limits });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  guard.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** From an address of its own on the loopback interface. */
async function open(localAddress = '127.0.0.2'): Promise<Socket & { isEnded?: boolean }> {
  const socket: Socket & { isEnded?: boolean } = connect({ port, host: '127.0.0.1', localAddress });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => (socket.isEnded = true));
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

function ask(socket: Socket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`);
  return new Promise((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString())));
}

it('drops the one of an address that has waited longest, and tells it once', async () => {
  const waiting = [await open(), await open(), await open(), await open(), await open()];
  await eventually(
    'the two oldest to be dropped',
    async () => waiting[0]?.isEnded === true && waiting[1]?.isEnded === true,
  );
  expect(waiting.slice(2).some(({ isEnded }) => isEnded === true)).toBe(false);
  expect(guard.waiting()).toBe(limits.ofOneAddress);
  expect(lines.filter((line) => line.includes('too many connections wait'))).toHaveLength(1);
});

it('drops nobody of another address, until there are too many in all', async () => {
  const others = [await open('127.0.0.3'), await open('127.0.0.3'), await open('127.0.0.4')];
  await Promise.all([open(), open()]);
  await eventually('all to wait', async () => guard.waiting() === limits.inAll);
  expect(others.some(({ isEnded }) => isEnded === true)).toBe(false);
  await open('127.0.0.5');
  await eventually('the oldest to be dropped', async () => others[0]?.isEnded === true);
  expect(guard.waiting()).toBe(limits.inAll);
});

it('counts neither those whose request is under way nor WebSockets, and counts them again after the answer', async () => {
  const busy = await open();
  const answer = ask(busy, '/slow');
  await eventually('the request to be under way', async () => guard.waiting() === 0);
  const idle = [await open(), await open(), await open(), await open()];
  await eventually('the oldest to be dropped', async () => idle[0]?.isEnded === true);
  expect(busy.isEnded).toBeUndefined();
  answerSlow();
  expect(await answer).toContain('late');
  await eventually('the next one to be dropped', async () => idle[1]?.isEnded === true);
  expect(await ask(busy, '/')).toContain('here');
});

it('forgets those that go while their request is under way', async () => {
  const socket = await open();
  void ask(socket, '/slow');
  await eventually('the request to be under way', async () => guard.waiting() === 0);
  socket.destroy();
  await eventually('the server to notice', async () => socket.isEnded === true);
  answerSlow();
  expect(await ask(await open(), '/')).toContain('here');
  expect(guard.waiting()).toBeLessThanOrEqual(1);
});

it('forgets those that have gone', async () => {
  const socket = await open();
  await eventually('it to wait', async () => guard.waiting() === 1);
  socket.destroy();
  await eventually('it to be forgotten', async () => guard.waiting() === 0);
  expect(lines).toEqual([]);
});
