import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDistributionRoutes, type Distribution } from '#control/api/distribution.ts';
import { silentLogger } from '#lib/logger.ts';

const executable = Buffer.alloc(300_000, 'executable');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-distribution-'));
  await writeFile(join(folder, 'berth-linux-x64'), executable);
  await writeFile(join(folder, 'SHA256SUMS'), 'sums');
  await writeFile(join(folder, 'control.env'), 'a secret');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function serve(distribution: Partial<Distribution> = {}, downloadsAtOnce?: number) {
  const app = fastify();
  addDistributionRoutes(app, {
    distribution: { folder, installer: () => '#!/bin/sh\n', ...distribution },
    logger: silentLogger,
    ...(downloadsAtOnce === undefined ? {} : { downloadsAtOnce }),
  });
  return app;
}

describe('what a machine needs to become a host', () => {
  it('is the installer and the executables, whole', async () => {
    const app = serve();

    expect((await app.inject('/install.sh')).body).toBe('#!/bin/sh\n');
    const answer = await app.inject('/dist/berth-linux-x64');
    expect([answer.statusCode, answer.headers['content-length']]).toEqual([200, String(executable.length)]);
    expect(answer.rawPayload.equals(executable)).toBe(true);
  });

  it('is nothing else of the folder', async () => {
    const app = serve();
    for (const path of ['/dist/control.env', '/dist/..%2fetc%2fpasswd', '/dist/', '/dist/berth-linux-x64/..']) {
      expect((await app.inject(path)).statusCode, path).toBe(404);
    }
  });

  it('is taken up in the middle when a download broke off, and not sent again when it is known', async () => {
    const app = serve();
    const { etag } = (await app.inject('/dist/berth-linux-x64')).headers;

    const rest = await app.inject({
      url: '/dist/berth-linux-x64',
      headers: { range: 'bytes=299990-', 'if-range': etag },
    });
    expect([rest.statusCode, rest.headers['content-range']]).toEqual([206, 'bytes 299990-299999/300000']);
    expect(rest.rawPayload.equals(executable.subarray(299_990))).toBe(true);
    expect((await app.inject({ url: '/dist/berth-linux-x64', headers: { 'if-none-match': etag } })).statusCode).toBe(
      304,
    );
  });

  it.each([
    ['past the end', 'bytes=300000-', 416, undefined],
    ['of another file', 'bytes=10-', 200, '"older"'],
    ['in several parts', 'bytes=0-1,5-6', 200, undefined],
  ])('a range %s', async (_, range, status, tag) => {
    const headers = { range, ...(tag === undefined ? {} : { 'if-range': tag }) };
    expect((await serve().inject({ url: '/dist/berth-linux-x64', headers })).statusCode).toBe(status);
  });

  it('that is not there is named, with what would bring it', async () => {
    const absent = await serve().inject('/dist/berth-linux-arm64');
    expect([absent.statusCode, absent.json().message]).toEqual([
      404,
      `This control service has no berth-linux-arm64: there is no such file in ${folder}; install.sh --control from a build of that platform puts it there.`,
    ]);
    const fromSources = fastify();
    addDistributionRoutes(fromSources, { distribution: { installer: () => undefined }, logger: silentLogger });
    expect((await fromSources.inject('/dist/SHA256SUMS')).json().message).toContain('it runs from sources');
    expect((await fromSources.inject('/install.sh')).statusCode).toBe(404);
  });

  it('goes to so many at once, and to the next when one of them has gone', async () => {
    const app = serve({}, 1);
    await writeFile(join(folder, 'berth-linux-x64'), Buffer.alloc(64 << 20));
    const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/dist/berth-linux-x64`;
    const reader = request(url);
    const begun = new Promise((done) => reader.once('response', done));
    reader.end();
    await begun;

    const refused = await fetch(url);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);

    reader.destroy();
    await expect.poll(async () => (await fetch(url, { headers: { range: 'bytes=0-0' } })).status).toBe(206);
    await app.close();
    await writeFile(join(folder, 'berth-linux-x64'), executable);
  });
});
