/**
 * Strangers and one agent gone wrong on control's port, all of them from the address that the others have too: what they may take is bounded and told once, and
 * meanwhile an agent keeps its session, another one may join, and API calls are answered.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListClustersCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { systemClock } from '#lib/clock.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { subprotocol } from '#protocol/session/messages.ts';
import { connectObedientAgent, type ObedientAgent } from '#test/conformance/obedient-agent.ts';
import { measured } from '#test/support/measured.ts';
import { agentToken, buildProgram, createCell, freePort, type Cell, type Daemon } from '#test/support/processes.ts';
import { eventually } from '#test/support/real-cell.ts';
import { babble, closeCodeOf, stranger, strangers, welcomedAgent, type Stranger } from '#test/support/strangers.ts';

const mebibyte = 1024 * 1024;
/** What control may take more than before, with what its garbage collector has not come to yet. */
const mostGrowth = 96 * mebibyte;
/** Far more than a call takes: what attacks runs in this very process, and the machine may be busy. */
const slowestCallMs = 5000;
/** Of headers: 10 s, looked for every 2 s; the rest is for a machine that is busy. */
const headersSeconds = 10 + 2 + 8;
const bodySeconds = 30 + 2 + 8;

let folder: string;
let port: number;
let cell: Cell;
let control: Daemon;
let agent: ObedientAgent;
let lost = 0;

beforeAll(async () => {
  await buildProgram();
  folder = await mkdtemp(join(tmpdir(), 'berth-bad-input-'));
  port = await freePort();
  cell = createCell({ folder, port, dockerHost: '' });
  control = cell.startControl();
  await cell.untilReady();
  agent = connectObedientAgent({ url: cell.url, token: agentToken, machineId: 'machine-0001' });
  await agent.ready;
  void agent.closed.then(() => (lost += 1));
});
afterAll(async () => {
  await agent.close();
  cell.ecs.destroy();
  await control.stop();
  await rm(folder, { recursive: true, force: true });
});

async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${control.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

async function linesOf(part: string): Promise<number> {
  return (await cell.logOf('control')).split('\n').filter((line) => line.includes(part)).length;
}

/** Does `attack` while calls are made, and holds everybody else against what they may notice. Answers what the attack does. */
async function expectOthersGoOnDuring<T>(what: string, attack: () => Promise<T>): Promise<T> {
  const before = await residentBytes();
  let highest = before;
  let isOver = false;
  const calls: number[] = [];
  const calling = (async () => {
    while (!isOver) {
      const askedAt = systemClock.elapsed();
      await cell.ecs.send(new ListClustersCommand({}));
      calls.push(systemClock.elapsed() - askedAt);
      highest = Math.max(highest, await residentBytes());
      await systemClock.sleep(20);
    }
  })();
  try {
    return await attack();
  } finally {
    isOver = true;
    await calling;
    const newcomer = connectObedientAgent({ url: cell.url, token: agentToken, machineId: `newcomer to ${what}` });
    await newcomer.ready;
    await newcomer.close();
    calls.sort((a, b) => a - b);
    measured(`${what}: slowest of ${calls.length} calls`, calls.at(-1) ?? 0);
    expect(calls.at(-1)).toBeLessThan(slowestCallMs);
    expect(highest - before).toBeLessThan(mostGrowth);
    expect(lost).toBe(0);
    expect(control.isRunning()).toBe(true);
  }
}

it('a port scan of a thousand connections', async () => {
  await expectOthersGoOnDuring('port scan', async () => {
    for (const { socket } of await strangers(port, 1000)) socket.destroy();
  });
});

it('garbage on five hundred connections', async () => {
  const lines = await linesOf('');
  await expectOthersGoOnDuring('garbage', async () => {
    const all = await strangers(port, 500);
    for (const { socket } of all) socket.end(babble());
    await Promise.all(all.map(({ ended }) => ended));
  });
  expect((await linesOf('')) - lines - (await linesOf('API request'))).toBeLessThan(30);
});

it('a thousand connections that say nothing, at once', async () => {
  const openedAt = systemClock.now();
  const all = await expectOthersGoOnDuring('half-open', async () => {
    const opened = await strangers(port, 1000);
    await systemClock.sleep(1000);
    return opened;
  });
  expect(all.filter(({ socket }) => !socket.destroyed).length).toBeLessThanOrEqual(256);
  const ends = await Promise.all(all.map(({ ended }) => ended));
  expect((Math.max(...ends) - openedAt) / 1000).toBeLessThan(headersSeconds);
  expect(await linesOf('too many connections wait')).toBe(1);
});

it('slow lorises: headers and bodies that come a byte now and then', async () => {
  await expectOthersGoOnDuring('slow loris', async () => {
    const startedAt = systemClock.now();
    const inHeaders = await strangers(port, 200);
    for (const { socket } of inHeaders) socket.write('GET / HTTP/1.1\r\n');
    const inBodies = await strangers(port, 50);
    for (const { socket } of inBodies) socket.write('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n');
    const all = [...inHeaders, ...inBodies];
    while (all.some(({ socket }) => !socket.destroyed)) {
      for (const { socket } of all) if (!socket.destroyed) socket.write('x');
      await systemClock.sleep(500);
    }
    const secondsOf = async (some: readonly Stranger[]): Promise<number> =>
      (Math.max(...(await Promise.all(some.map(({ ended }) => ended)))) - startedAt) / 1000;
    expect(await secondsOf(inHeaders)).toBeLessThan(headersSeconds);
    expect(await secondsOf(inBodies)).toBeLessThan(bodySeconds);
  });
});

it('a frame of 100 MB, whole and in parts, and a request of as much', async () => {
  await expectOthersGoOnDuring('100 MB', async () => {
    const whole = await welcomedAgent(cell.url, agentToken, 'machine-of-a-frame');
    const end = closeCodeOf(whole);
    whole.send('x'.repeat(100 * mebibyte));
    expect([closeCodes.tooLarge, 1006]).toContain(await end);

    const parts = await welcomedAgent(cell.url, agentToken, 'machine-of-parts');
    const endOfParts = closeCodeOf(parts);
    for (let part = 0; part < 100 && parts.readyState === WebSocket.OPEN; part += 1) {
      await new Promise((sent) => parts.send('x'.repeat(mebibyte), { fin: false }, sent));
    }
    expect([closeCodes.tooLarge, 1006]).toContain(await endOfParts);

    const { socket, ended } = await stranger(port);
    socket.write(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${100 * mebibyte}\r\n\r\n`);
    while (!socket.destroyed) await new Promise((sent) => socket.write('x'.repeat(mebibyte), sent));
    await ended;
  });
});

it('two thousand knocks with a wrong token, told once, that keep out nobody who has the right one', async () => {
  const lines = await linesOf('an upgrade was refused');
  await expectOthersGoOnDuring('wrong tokens', async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      const knocks = Array.from({ length: 100 }, () => statusOfWrongToken());
      for (const status of await Promise.all(knocks)) statuses.add(status);
    }
    expect(statuses).toEqual(new Set([401, 429]));
  });
  expect((await linesOf('an upgrade was refused')) - lines).toBeLessThanOrEqual(1);
});

function statusOfWrongToken(): Promise<number> {
  const headers = { authorization: 'Bearer a-token-that-somebody-guessed' };
  const webSocket = new WebSocket(`${cell.url.replace(/^http/, 'ws')}/agent`, subprotocol, { headers });
  return new Promise((resolve) => {
    webSocket.on('error', () => undefined);
    webSocket.on('unexpected-response', (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
  });
}

it('an agent that floods is read at a pace, and told once', async () => {
  const flooder = await welcomedAgent(cell.url, agentToken, 'machine-that-floods');
  await expectOthersGoOnDuring('flood', async () => {
    const until = systemClock.now() + 8000;
    const heartbeat = JSON.stringify({ type: 'heartbeat', sentAt: Date.now(), health: { status: 'OK' } });
    while (systemClock.now() < until && flooder.readyState === WebSocket.OPEN) {
      for (let message = 0; message < 500; message += 1) flooder.send(heartbeat);
      // What the kernel takes no more waits here.
      while (flooder.bufferedAmount > mebibyte && systemClock.now() < until) await systemClock.sleep(5);
      await systemClock.sleep(0);
    }
  });
  expect(await linesOf('says more than it may')).toBe(1);
  flooder.terminate();
  await eventually('its end', async () => flooder.readyState === WebSocket.CLOSED);
});
