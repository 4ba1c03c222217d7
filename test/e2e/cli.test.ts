/** The command line as people run it: the built program as a child process, on a development cluster of its own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ECSClient, PutAttributesCommand, waitUntilTasksRunning, type ContainerDefinition } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { berthProgram, type BerthProgram } from '#test/support/berth-program.ts';
import { buildProgram, freePort } from '#test/support/processes.ts';
import { buildTestImage, testImage } from '#test/support/test-images.ts';

let folder: string;
let listen: string;
let berth: BerthProgram['berth'];
let json: BerthProgram['json'];
let spawn: BerthProgram['spawn'];

beforeAll(async () => {
  await buildProgram();
  await buildTestImage(process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock');
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-'));
  listen = `127.0.0.1:${await freePort()}`;
  const settings = { BERTH_HOME: join(folder, 'home'), BERTH_LISTEN: listen, BERTH_HEALTHY_AFTER: '1' };
  ({ berth, json, spawn } = berthProgram(settings));
});
afterAll(async () => {
  await berth('dev', 'down');
  await rm(folder, { recursive: true, force: true });
});

async function register(family: string, container: Partial<ContainerDefinition>): Promise<void> {
  const file = join(folder, `${family}.json`);
  const containerDefinitions = [{ name: 'main', image: testImage, memory: 16, ...container }];
  await writeFile(file, JSON.stringify({ family, containerDefinitions }));
  expect(await berth('taskdef', 'register', file)).toMatchObject({ code: 0, out: `${family}:1\n` });
}

const Tasks = z.array(z.looseObject({ taskArn: z.string(), lastStatus: z.string() }));

describe('without a cluster', () => {
  it('says how to start one', async () => {
    expect(await berth('task', 'list')).toMatchObject({ code: 1, err: expect.stringContaining('npm start') });
    expect(await berth('dev', 'status')).toMatchObject({ code: 0, out: expect.stringContaining('npm start') });
    expect(await berth('dev', 'down')).toMatchObject({ code: 0, err: 'no development cluster runs here\n' });
  });
});

describe('with a cluster', () => {
  it('dev up starts it and says how to point aws at it; a second one at the same time leaves it alone', async () => {
    const both = await Promise.all([berth('dev', 'up', '--no-sample'), berth('dev', 'up', '--no-sample')]);
    const [up, late] = both.toSorted((one, other) => one.code - other.code);
    expect(up).toMatchObject({ code: 0, out: expect.stringContaining('Point the AWS CLI at it') });
    expect(late).toMatchObject({ code: 1, err: expect.stringContaining('another `berth dev` command is at work') });
  });

  it('dev up and dev status find it running', async () => {
    expect(await berth('dev', 'up', '--no-sample')).toMatchObject({
      code: 0,
      err: expect.stringContaining('already running'),
    });
    expect(await json(z.looseObject({ running: z.boolean() }), 'dev', 'status')).toMatchObject({ running: true });
  });

  it('env prints what a shell can read', async () => {
    const { out } = await berth('env');
    expect(out).toContain(`export AWS_ENDPOINT_URL='http://${listen}'\n`);
  });

  it('runs a task to its end, with its logs and its exit code', async () => {
    await register('says', { command: ['sh', '-c', 'echo hello; sleep 1; echo bye; exit 3'] });
    const run = await json(z.unknown(), 'run', 'says', '--wait');
    const [task] = Tasks.parse(run instanceof Object && 'tasks' in run ? run.tasks : run);
    const id = task?.taskArn.split('/').at(-1) ?? '';

    expect(await berth('task', 'logs', id, '-f')).toEqual({ code: 0, out: 'hello\nbye\n', err: '' });
    expect((await berth('task', 'show', id)).out).toContain('3');
    expect((await berth('task', 'list', '--stopped')).out).toContain(id.slice(0, 12));
  });

  it('creates, scales, shows and deletes a service, and waits for it', async () => {
    await register('stays', { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] });
    const created = await berth('service', 'create', 'web', '--task-definition', 'stays', '--wait');
    expect(created).toMatchObject({ code: 0, out: 'web is steady: 1/1 running\n' });
    const scaled = await berth('service', 'update', 'web', '--desired-count', '2', '--wait');
    expect(scaled).toMatchObject({ code: 0, out: 'web is steady: 2/2 running\n' });
    expect((await berth('service', 'list')).out).toMatch(/web +ACTIVE +2\/2 +stays:1 +COMPLETED/u);
    expect(await json(Tasks, 'task', 'list')).toHaveLength(2);
    const deleted = await berth('service', 'delete', 'web', '--force', '--wait');
    expect(deleted).toMatchObject({ code: 0, out: 'web is gone\n' });
  });

  it('drains the only machine: says what is left and why, and ends it by the deadline', async () => {
    expect(await berth('service', 'create', 'last', '--task-definition', 'stays', '--wait')).toMatchObject({ code: 0 });
    const Instances = z.array(z.looseObject({ containerInstanceArn: z.string() }));
    const [instance] = await json(Instances, 'instance', 'list');
    const id = instance?.containerInstanceArn.split('/').at(-1) ?? '';
    const drained = await berth('instance', 'drain', id, '--deadline', '5s', '--wait');
    expect(drained).toMatchObject({ code: 0, out: expect.stringContaining(`${id} is drained`) });
    expect(drained.err).toContain('no other container instance of the cluster is ACTIVE and connected');
    expect(drained.err).toMatch(/of service last waits for a container instance that meets the requirements/u);
    expect(await berth('instance', 'drain', id, '--deadline', 'soon')).toMatchObject({
      code: 1,
      err: expect.stringContaining("expected a time from one second to a year, such as 90, 90s or 1h, got 'soon'"),
    });
    expect(await berth('instance', 'activate', id)).toMatchObject({ code: 0 });
    expect(await berth('service', 'delete', 'last', '--force', '--wait')).toMatchObject({ code: 0 });
  });

  it('names a group of instances, lets a task wait for one to join it, and places it then', async () => {
    await register('job', { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] });
    const [instance] = await json(z.array(z.looseObject({ containerInstanceArn: z.string() })), 'instance', 'list');
    expect(await berth('capacity-provider', 'create', 'blue', '--group', 'rack-1', '--managed-scaling')).toMatchObject({
      code: 0,
      out: expect.stringContaining('berth.instance-group=rack-1'),
    });
    expect((await berth('capacity-provider', 'list')).out).toMatch(/blue +rack-1 +ENABLED +default/u);
    expect((await berth('cluster', 'show')).out).toMatch(/capacity providers: +blue/u);

    const run = ['run', 'job', '--capacity-provider-strategy', 'blue', '--wait-for-capacity', '5m'];
    const { tasks } = await json(z.object({ tasks: Tasks }), ...run);
    expect(tasks).toMatchObject([{ lastStatus: 'PROVISIONING', capacityProviderName: 'blue' }]);
    const id = tasks[0]?.taskArn.split('/').at(-1) ?? '';
    expect((await berth('task', 'show', id)).out).toMatch(/Waiting for a container instance until .* UTC, because/u);
    expect((await berth('why', id)).out).toContain('waits for a place');

    const { out } = await berth('env');
    const value = (name: string): string => new RegExp(`export ${name}='([^']*)'`, 'u').exec(out)?.[1] ?? '';
    const ecs = new ECSClient({
      endpoint: value('AWS_ENDPOINT_URL'),
      region: 'us-east-1',
      credentials: { accessKeyId: value('AWS_ACCESS_KEY_ID'), secretAccessKey: value('AWS_SECRET_ACCESS_KEY') },
    });
    const targetId = instance?.containerInstanceArn ?? '';
    const attribute = { name: 'berth.instance-group', value: 'rack-1', targetId };
    await ecs.send(new PutAttributesCommand({ attributes: [attribute] }));
    await waitUntilTasksRunning({ client: ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { tasks: [id] });
    ecs.destroy();
    expect((await berth('capacity-provider', 'show', 'blue')).out).toContain(targetId.split('/').at(-1)?.slice(0, 12));

    expect(await berth('capacity-provider', 'delete', 'blue')).toMatchObject({
      code: 1,
      err: expect.stringContaining('in use and cannot be removed: blue'),
    });
    expect(await berth('task', 'stop', id, '--wait')).toMatchObject({ code: 0 });
    expect(await berth('capacity-provider', 'delete', 'blue')).toMatchObject({ code: 0 });
  });

  it('an interrupted wait ends with 130 and says how to look again', async () => {
    await register('huge', { command: ['true'], memory: 1_000_000_000 });
    const child = spawn('service', 'create', 'never', '--task-definition', 'huge', '--wait');
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString();
      // Once: a second SIGINT ends the program at once.
      if (told.includes('unable to place') && !child.killed) child.kill('SIGINT');
    });
    const code = await new Promise((done) => child.once('close', done));
    expect(code).toBe(130);
    expect(told).toContain('berth service show never');
  });

  it('says why a service finds no place: what is missing, and on which instance the least', async () => {
    const Why = z.looseObject({
      summary: z.string(),
      placement: z.array(
        z.looseObject({
          instances: z.number(),
          fitting: z.number(),
          refusals: z.array(z.object({ reason: z.string(), count: z.number() })),
          nearest: z.array(z.object({ hostname: z.string(), missing: z.array(z.looseObject({ text: z.string() })) })),
        }),
      ),
    });
    const {
      placement: [placement],
    } = await json(Why, 'why', 'never');
    expect(placement).toMatchObject({ instances: 1, fitting: 0, refusals: [{ reason: 'RESOURCE:MEMORY', count: 1 }] });
    expect(placement?.nearest).toMatchObject([
      {
        hostname: hostname(),
        missing: [
          { text: expect.stringMatching(/^needs 1000000000 MiB of memory, and the instance has \d+ in all$/u) },
        ],
      },
    ]);
    const { code, out } = await berth('why', 'never');
    expect([code, out]).toEqual([0, expect.stringContaining(`the nearest, ${hostname()}`)]);
    expect(await berth('service', 'delete', 'never', '--force', '--wait')).toMatchObject({ code: 0 });
    expect(await berth('why', 'no-such-thing')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no-such-thing'),
    });
  });

  it('prints all of an answer that is longer than a pipe holds', async () => {
    await register('long', { command: Array.from({ length: 12_000 }, () => 'x') });
    const Shown = z.object({ containerDefinitions: z.array(z.object({ command: z.array(z.string()) })) });
    const shown = await json(Shown, 'taskdef', 'show', 'long');
    expect(shown.containerDefinitions[0]?.command).toHaveLength(12_000);
  });

  it('ends quietly when its reader does', async () => {
    const child = spawn('taskdef', 'list');
    child.stdout.destroy();
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    const code = await new Promise((done) => child.once('close', done));
    expect([code, told]).toEqual([0, '']);
  });

  it('names the file when its state is damaged', async () => {
    const file = join(folder, 'home', 'dev.json');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.slice(0, 20));
    const damaged = { code: 1, err: expect.stringContaining(`${file} is damaged`) };
    expect(await berth('dev', 'status')).toMatchObject(damaged);
    expect(await berth('task', 'list')).toMatchObject(damaged);
    await writeFile(file, whole);
  });

  it.each([
    ['an unknown task definition', ['run', 'nothing'], 1, 'berth taskdef list'],
    ['an unknown task definition to show', ['taskdef', 'show', 'nothing'], 1, 'berth taskdef list'],
    ['an unknown service', ['service', 'show', 'nothing'], 1, 'berth service list'],
    ['an unknown cluster', ['task', 'list', '--cluster', 'nothing'], 1, 'berth cluster create'],
    ['a misspelled command', ['taks'], 2, 'task'],
  ])('%s: says what to do', async (_what, args, code, advice) => {
    expect(await berth(...args)).toMatchObject({ code, err: expect.stringContaining(advice) });
  });

  it('dev down stops both, and leaves nothing running', async () => {
    expect(await berth('dev', 'down')).toMatchObject({ code: 0, err: expect.stringContaining('stopped') });
    expect(await berth('dev', 'status')).toMatchObject({
      code: 0,
      out: expect.stringContaining('no development cluster'),
    });
  });
});
