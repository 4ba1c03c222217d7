import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readInstalled, type Installed } from '#cli/doctor/installed.ts';
import { observe } from '#cli/doctor/observe.ts';
import { systemClock } from '#lib/clock.ts';

let folder: string;
let server: Server;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-doctor-'));
  server = createServer((request, answer) => {
    if (request.url === '/version') answer.end('{"Version":"26.1.5","ApiVersion":"1.45"}');
    else answer.end('{"status":"ok"}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

function installed(change: Partial<Installed> = {}): Installed {
  writeFileSync(
    join(folder, 'control.env'),
    `BERTH_HOME=${folder}\nBERTH_LISTEN=127.0.0.1:${port}\nBERTH_TLS_LISTEN=127.0.0.1:1\n`,
  );
  writeFileSync(join(folder, 'agent.env'), `BERTH_CONTROL_URL=ws://127.0.0.1:${port}/agent\nECS_DATADIR=${folder}\n`);
  return { ...readInstalled(folder), ...change };
}

describe('a look at this machine', () => {
  it('knows what is installed by its settings', () => {
    expect(installed()).toMatchObject({
      roles: ['control', 'agent'],
      listen: { host: '127.0.0.1', port },
      control: `http://127.0.0.1:${port}`,
      dataFolder: folder,
      engineSocket: '/var/run/docker.sock',
    });
    expect(readInstalled(join(folder, 'nothing')).roles).toEqual([]);
  });

  it('reaches control, reads its clock, and tells its own port from one that is taken', async () => {
    const seen = await observe({ roles: ['control'], installed: installed(), clock: systemClock });

    expect(seen.control).toMatchObject({ ok: true, value: { url: `http://127.0.0.1:${port}`, overTls: false } });
    expect(seen.control?.ok === true && Math.abs(seen.control.value.clockAheadMs)).toBeLessThan(5000);
    expect(seen.ports[0]).toEqual({ port, what: 'control', role: 'control', use: 'berth' });
  });

  it('leaves no file behind where it has measured the disk', async () => {
    const before = installed();
    const names = readdirSync(folder);
    const { disk } = await observe({ roles: ['agent'], installed: before, clock: systemClock });

    expect(disk).toMatchObject({ ok: true, value: { folder } });
    expect(readdirSync(folder)).toEqual(names);
  });

  it('says why it could not look, instead of ending', async () => {
    const nowhere = installed({ control: 'http://127.0.0.1:9', engineSocket: join(folder, 'no.sock') });
    const { engine, control } = await observe({ roles: ['agent'], installed: nowhere, clock: systemClock });

    expect(engine).toMatchObject({ ok: false, because: expect.stringContaining('ENOENT') });
    expect(control).toMatchObject({ ok: false, because: expect.stringContaining('ECONNREFUSED') });
  });
});
