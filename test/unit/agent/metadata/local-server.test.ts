import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { startLocalServer, type LocalServer } from '#agent/metadata/local-server.ts';
import type { Answer, LocalRequest } from '#agent/metadata/routes.ts';
import { silentLogger } from '#lib/logger.ts';

let server: LocalServer | undefined;

afterEach(() => server?.close());

async function serve(answer: (request: LocalRequest) => Answer | Promise<Answer>): Promise<string> {
  server = await startLocalServer({
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger,
    answer: async (one) => answer(one),
  });
  return `http://127.0.0.1:${server.port}`;
}

describe('the server', () => {
  test('hands on what was asked, by whom, and answers in JSON', async () => {
    const url = await serve(({ method, path, query, peer, body }) => ({
      status: 201,
      json: { method, path, query: query.get('q'), peer, body },
    }));
    const response = await fetch(`${url}/a/b?q=1`, { method: 'PUT', body: 'text' });
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ method: 'PUT', path: '/a/b', query: '1', peer: '127.0.0.1', body: 'text' });
  });

  test('answers 500 in a JSON string when it cannot, and goes on', async () => {
    const url = await serve(({ path }) => {
      if (path === '/bad') throw new Error('no');
      return { status: 200, contentType: 'text/plain', text: 'fine' };
    });
    const bad = await fetch(`${url}/bad`);
    expect([bad.status, await bad.json()]).toEqual([500, expect.any(String)]);
    expect(await (await fetch(`${url}/good`)).text()).toBe('fine');
  });

  test('takes no large body', async () => {
    const url = await serve(() => ({ status: 200, json: null }));
    const response = await fetch(url, { method: 'PUT', body: 'x'.repeat(10_000) }).catch((error: unknown) => error);
    // The connection may be cut before the answer is read.
    if (response instanceof Response) expect(response.status).toBe(413);
    else expect(response).toBeInstanceOf(TypeError);
  });

  test('survives what is no HTTP', async () => {
    const url = await serve(() => ({ status: 200, json: null }));
    const answered = Promise.withResolvers<string>();
    const socket = connect(server?.port ?? 0, '127.0.0.1', () => socket.write('\u0001\u0002 nonsense\r\n\r\n'));
    socket.on('data', (data) => answered.resolve(data.toString()));
    socket.on('error', answered.reject);
    expect(await answered.promise).toMatch(/^HTTP\/1\.1 400/);
    socket.destroy();
    expect((await fetch(url)).status).toBe(200);
  });

  test('says when somebody else has the port', async () => {
    await serve(() => ({ status: 200, json: null }));
    const second = startLocalServer({
      host: '127.0.0.1',
      port: server?.port ?? 0,
      logger: silentLogger,
      answer: () => Promise.resolve({ status: 200, json: null }),
    });
    await expect(second).rejects.toThrow('EADDRINUSE');
  });
});
