/** Those who come to control's port with something else in mind: idlers, scanners, babblers, and an agent of the cluster that has gone wrong. */
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { int, seededRandom } from '#lib/random.ts';
import { protocolVersion, subprotocol } from '#protocol/session/messages.ts';

export interface Stranger {
  readonly socket: Socket;
  /** Resolves with the time of its end. */
  readonly ended: Promise<number>;
}

/** Opens a connection and says nothing. */
export function stranger(port: number): Promise<Stranger> {
  const socket = connect({ port, host: '127.0.0.1' });
  // The end tells what there is to tell.
  socket.on('error', () => undefined);
  const ended = new Promise<number>((resolve) => socket.once('close', () => resolve(Date.now())));
  socket.resume();
  return new Promise((resolve) => {
    const answer = (): void => resolve({ socket, ended });
    socket.once('connect', answer).once('close', answer);
  });
}

export function strangers(port: number, count: number): Promise<Stranger[]> {
  return Promise.all(Array.from({ length: count }, () => stranger(port)));
}

const random = seededRandom(7);

/** What scanners try, and noise. */
export function babble(): Buffer {
  const noise = Buffer.from(Array.from({ length: int(random, 1, 2000) }, () => int(random, 0, 255)));
  const hello = Buffer.from('16030100c8010000c40303', 'hex');
  const words = [
    'GET / HTTP/9.9\r\n\r\n',
    'SSH-2.0-scan\r\n',
    '\0\0\0\0',
    'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
  ];
  const choice = int(random, 0, words.length + 1);
  if (choice < words.length) return Buffer.from(words[choice] ?? '');
  return choice === words.length ? hello : noise;
}

/** An agent that control has welcomed and that then does as the test says. */
export async function welcomedAgent(url: string, token: string, machineId: string): Promise<WebSocket> {
  const webSocket = new WebSocket(`${url.replace(/^http/, 'ws')}/agent`, subprotocol, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  webSocket.on('error', () => undefined);
  webSocket.once('open', () => {
    webSocket.send(
      JSON.stringify({
        type: 'hello',
        protocolVersions: [protocolVersion],
        cluster: 'default',
        machineId,
        fingerprint: `fingerprint of ${machineId}`,
        incarnation: 'incarnation-1',
        hostname: machineId,
        versions: { agent: '0.1.0', docker: '20.10.24' },
        resources: { cpu: 1024, memoryMiB: 1024, takenPorts: [], gpuIds: [] },
        attributes: [],
        tags: [],
        health: { status: 'OK' },
        assignmentNumber: 0,
        tasks: [],
      }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    webSocket.on('message', (data) => {
      if (String(data).includes('"welcome"')) resolve();
    });
    webSocket.once('close', (code, reason) => reject(new Error(`${code} ${reason.toString()}`)));
  });
  return webSocket;
}

export function closeCodeOf(webSocket: WebSocket): Promise<number> {
  return new Promise((resolve) => webSocket.once('close', resolve));
}
