/** `berth dev up --hosts 3` as a person runs it: three hosts with an engine each, what may befall them, and nothing left of them in the end. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { placeIn } from '#cli/dev/hosts/place.ts';
import { berthProgram, type BerthProgram } from '#test/support/berth-program.ts';
import { leftoversOf } from '#test/support/hosts/leftovers.ts';
import { measured } from '#test/support/measured.ts';
import { buildProgram } from '#test/support/processes.ts';
import { eventually } from '#test/support/real-cell.ts';
import { buildTestImage, testImage } from '#test/support/test-images.ts';

const root = resolve(import.meta.dirname, '../../..');
const lostAfterSeconds = 5;
let folder: string;
let berth: BerthProgram['berth'];
let json: BerthProgram['json'];
let spawn: BerthProgram['spawn'];

beforeAll(async () => {
  await buildProgram();
  folder = await mkdtemp(join(tmpdir(), 'berth-dev-hosts-'));
  ({ berth, json, spawn } = berthProgram({
    BERTH_HOME: join(folder, 'home'),
    BERTH_HEALTHY_AFTER: '1',
    BERTH_HEARTBEAT_INTERVAL: '1',
    BERTH_LOST_AFTER: String(lostAfterSeconds),
  }));
});
afterAll(async () => {
  await berth('dev', 'down');
  await rm(folder, { recursive: true, force: true });
});

const Hosts = z.array(
  z.object({
    name: z.string(),
    power: z.enum(['on', 'off']),
    cable: z.string(),
    engine: z.string(),
    instance: z.looseObject({ agentConnected: z.boolean(), runningTasksCount: z.number() }),
  }),
);

async function tasksByHost(): Promise<Record<string, number>> {
  const hosts = await json(Hosts, 'dev', 'host', 'list');
  return Object.fromEntries(hosts.map(({ name, instance }) => [name, instance.runningTasksCount]));
}

describe('berth dev up --hosts 3', () => {
  it('powers on three hosts, and says of each where its engine is', async () => {
    expect(await berth('dev', 'up', '--hosts', '3', '--no-sample')).toMatchObject({
      code: 0,
      out: expect.stringContaining('default, 3 instances, 0 tasks running'),
    });
    const hosts = await json(Hosts, 'dev', 'host', 'list');
    expect(hosts).toMatchObject(
      ['host-1', 'host-2', 'host-3'].map((name) => ({
        name,
        power: 'on',
        cable: 'plugged',
        instance: { agentConnected: true },
      })),
    );
    for (const { engine } of hosts) await buildTestImage(engine);
    expect((await berth('dev', 'status')).out).toMatch(
      /host-3 +on +plugged +198\.19\.\d+\.13 +[0-9a-f]{32} +connected +0/u,
    );
  });

  it('starts nothing twice, and does not become a cluster of another shape by itself', async () => {
    expect(await berth('dev', 'up', '--no-sample')).toMatchObject({
      code: 0,
      err: expect.stringContaining('already running'),
    });
    expect(await berth('dev', 'up', '--hosts', '2')).toMatchObject({
      code: 1,
      err: expect.stringContaining('a cluster with 3 hosts runs already'),
    });
    expect(await berth('dev', 'host', 'off', 'host-9')).toMatchObject({
      code: 1,
      err: expect.stringContaining('the hosts are host-1, host-2, host-3'),
    });
  });

  it('spreads a service of six two to a host, and moves those of a host that loses its power', async () => {
    const file = join(folder, 'web.json');
    const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'];
    const containerDefinitions = [{ name: 'main', image: testImage, memory: 16, command }];
    await writeFile(file, JSON.stringify({ family: 'web', containerDefinitions }));
    await berth('taskdef', 'register', file);
    const service = ['service', 'create', 'web', '--task-definition', 'web', '--desired-count', '6', '--wait'];
    expect(await berth(...service)).toMatchObject({ code: 0 });
    expect(await tasksByHost()).toEqual({ 'host-1': 2, 'host-2': 2, 'host-3': 2 });

    const offAt = Date.now();
    expect(await berth('dev', 'host', 'off', 'host-2')).toMatchObject({ code: 0, err: 'host-2 is off\n' });
    await eventually('six on the others', async () => {
      const { 'host-1': first = 0, 'host-3': third = 0 } = await tasksByHost();
      return first === 3 && third === 3;
    });
    const seconds = measured('berth dev host off: six run on the other two', Date.now() - offAt);
    expect(seconds).toBeLessThan(3 + lostAfterSeconds + 15);
    expect(await berth('dev', 'host', 'cut', 'host-2')).toMatchObject({
      code: 1,
      err: expect.stringContaining('is off'),
    });
    expect(await berth('dev', 'host', 'on', 'host-2')).toMatchObject({ code: 0 });
    await eventually('its agent', async () => {
      const hosts = await json(Hosts, 'dev', 'host', 'list');
      return hosts.every(({ instance }) => instance.agentConnected);
    });
  });

  it('cuts a host off and plugs it in again', async () => {
    expect(await berth('dev', 'host', 'cut', 'host-1')).toMatchObject({ code: 0 });
    await eventually('its silence', async () => {
      const [host] = await json(Hosts, 'dev', 'host', 'list');
      return host?.cable === 'cut' && host.instance.agentConnected === false;
    });
    expect(await berth('dev', 'host', 'mend', 'host-1')).toMatchObject({ code: 0 });
    await eventually('its return', async () => (await json(Hosts, 'dev', 'host', 'list'))[0]?.instance.agentConnected);
  });

  it('takes all of it away with dev down', async () => {
    expect(await berth('dev', 'down')).toMatchObject({ code: 0, err: expect.stringContaining('stopped') });
    expect(await leftoversOf(placeIn(join(folder, 'home/hosts'), root))).toEqual([]);
    expect(existsSync(join(folder, 'home/hosts/host-1/docker'))).toBe(false);
    expect(await berth('dev', 'host', 'list')).toMatchObject({
      code: 1,
      err: expect.stringContaining('berth dev up --hosts 3'),
    });
  });
});

describe('a start of three hosts that is killed half-way', () => {
  it.each(['LAN for 3 hosts', 'control service at'])('after “%s” is cleared away by dev down', async (moment) => {
    await killedAt(moment);
    expect(await berth('dev', 'down')).toMatchObject({ code: 0 });
    expect(await leftoversOf(placeIn(join(folder, 'home/hosts'), root))).toEqual([]);
  });

  it('is made whole by the next, with the instances of before', async () => {
    await killedAt('control service at');
    expect(await berth('dev', 'up', '--no-sample')).toMatchObject({
      code: 0,
      out: expect.stringContaining('default, 3 instances'),
    });
    expect(await json(Hosts, 'dev', 'host', 'list')).toHaveLength(3);
  });
});

/** kill -9 of the command once it has told that it has done this. */
async function killedAt(moment: string): Promise<void> {
  const child = spawn('dev', 'up', '--hosts', '3', '--no-sample');
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    if (told.includes(moment)) child.kill('SIGKILL');
  });
  expect(await new Promise((done) => child.once('exit', (_code, signal) => done(signal)))).toBe('SIGKILL');
}
