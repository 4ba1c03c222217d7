/** Control and an agent that has joined, as processes: a certificate that lapsed meanwhile, a new authority, and the loss of the certificate. No container is touched by any of it. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeContainerInstancesCommand, ListContainerInstancesCommand, RunTaskCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIdentityFiles } from '#agent/identity/identity-files.ts';
import { systemClock } from '#lib/clock.ts';
import { daysMs, machineCertificateMs } from '#model/machine-trust.ts';
import { rotationPath, TrustDescription, trustPath } from '#protocol/trust/description.ts';
import { ending, program, startProgram } from '#test/support/berth-exec.ts';
import { joinMachines } from '#test/support/join-machines.ts';
import { withShiftedClock } from '#test/support/preloads.ts';
import { freePort, testKey } from '#test/support/processes.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { signedFetch } from '#test/support/signed-fetch.ts';

/** The machine joined so long before: its certificate has lapsed, and may still be renewed. */
const joinedAgoMs = machineCertificateMs + 10 * daysMs;

let folder: string;
let cell: RealCell;
let container: string;
/** The end of the certificate with which the machine joined. */
let lapsedAt: number;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-e2e-trust-'));
  const shift = join(folder, 'clock-shift');
  writeFileSync(shift, String(-joinedAgoMs));
  const port = await freePort();
  cell = await openRealCell({
    control: { ...withShiftedClock(shift), BERTH_TLS_LISTEN: `127.0.0.1:${port}` },
    agent: { BERTH_CONTROL_URL: '', BERTH_AGENT_TOKEN: '' },
    async prepare(before, home) {
      await joinMachines({
        cell: before,
        control: `https://127.0.0.1:${port}`,
        dataFolders: [join(home, 'agent')],
        clock: { ...systemClock, now: () => systemClock.now() - joinedAgoMs },
      });
      lapsedAt = createIdentityFiles(join(home, 'agent')).read()?.notAfter ?? Infinity;
      writeFileSync(shift, '0');
      await eventually('control’s clock', async () => (await askTrust(before)).ok);
    },
  });
  const taskDefinition = await cell.register('trusted', {});
  await cell.ecs.send(new RunTaskCommand({ taskDefinition, enableExecuteCommand: true }));
  container = await eventually('the task', async () => {
    const [task] = await cell.tasks({ family: 'trusted' });
    return task?.lastStatus === 'RUNNING' && task.containers?.[0]?.runtimeId;
  });
});
afterAll(async () => {
  await cell.close();
  await rm(folder, { recursive: true, force: true });
});

function askTrust({ url }: Pick<RealCell, 'url'>): Promise<Response> {
  return signedFetch({ url: `${url}${trustPath}`, key: testKey, clock: systemClock });
}

function identity() {
  return createIdentityFiles(join(cell.folder, 'agent')).read();
}

async function isConnected(): Promise<boolean> {
  const filter = 'agentConnected == true';
  const { containerInstanceArns = [] } = await cell.ecs.send(new ListContainerInstancesCommand({ filter }));
  return containerInstanceArns.length === 1;
}

async function startOfContainer(): Promise<number | undefined> {
  const state = await cell.engine.inspect(container);
  return state?.state === 'running' ? state.startedAt : undefined;
}

it('a certificate that lapsed while the agent was away is renewed by the agent itself, and the session follows', async () => {
  expect(lapsedAt).toBeLessThan(systemClock.now() - 9 * daysMs);
  expect(await isConnected()).toBe(true);
  expect(identity()?.notAfter).toBeGreaterThan(systemClock.now() + 29 * daysMs);
  expect(await cell.logOf('agent')).toContain('the certificate was renewed');
});

it('a command in a container is reached over TLS, known by the bundle alone', async () => {
  const [task] = await cell.tasks({ family: 'trusted' });
  const command = ['exec', task?.taskArn ?? '', '--', '/bin/echo', 'over TLS'];
  const overTls = { url: (identity()?.control ?? '').replace('127.0.0.1', 'localhost') };
  const bundle = join(cell.folder, 'agent/ca.pem');
  const trusting = startProgram(overTls, 'env', [`AWS_CA_BUNDLE=${bundle}`, process.execPath, program, ...command]);
  expect(await ending(trusting)).toMatchObject({ code: 0, out: 'over TLS\n' });
  const trustless = await ending(startProgram(overTls, process.execPath, [program, ...command]));
  expect(trustless).toMatchObject({ code: 1, out: '', err: expect.stringContaining('certificate') });
});

it('a new authority takes the place of the old one under a running agent, which comes back after a restart', async () => {
  const started = await startOfContainer();
  const rotate = (step: string) =>
    signedFetch({ url: `${cell.url}${rotationPath}`, key: testKey, clock: systemClock, body: { step } });
  expect((await rotate('begin')).status).toBe(200);
  await eventually('the agent to have a certificate by the new authority', async () => {
    const { waiting } = TrustDescription.parse(await (await askTrust(cell)).json());
    return waiting.length === 0;
  });
  expect(await isConnected()).toBe(true);
  expect((await rotate('finish')).status).toBe(200);
  await cell.agent.stop();
  await eventually('the end of the session', async () => !(await isConnected()));
  cell.agent = cell.startAgent();
  await eventually('the session', isConnected);
  expect(await startOfContainer()).toBe(started);
});

it('a machine that loses its certificate loses its session at once, says why, and its containers go on', async () => {
  const started = await startOfContainer();
  const { machineId } = identity() ?? {};
  const revoked = await signedFetch({
    url: `${cell.url}/`,
    key: testKey,
    clock: systemClock,
    service: 'ssm',
    target: 'AmazonSSM.DeregisterManagedInstance',
    body: { InstanceId: machineId },
  });
  expect(revoked.status).toBe(200);
  await eventually('the end of the session', async () => !(await isConnected()));
  await eventually('the reason', async () => (await cell.logOf('agent')).includes('the certificate was revoked'));
  expect(await startOfContainer()).toBe(started);
});

it('no secret is in a log, and no key is for others to read', async () => {
  const { keyPem = '' } = identity() ?? {};
  const secret = keyPem.split('\n')[1] ?? '';
  expect(secret.length).toBeGreaterThan(20);
  for (const name of ['control', 'agent'] as const) expect(await cell.logOf(name)).not.toContain(secret);
  const { containerInstanceArns = [] } = await cell.ecs.send(new ListContainerInstancesCommand({}));
  const { containerInstances = [] } = await cell.ecs.send(
    new DescribeContainerInstancesCommand({ containerInstances: containerInstanceArns }),
  );
  expect(JSON.stringify(containerInstances)).not.toContain('PRIVATE KEY');
  expect(await readFile(join(cell.folder, 'agent/ca.pem'), 'utf8')).not.toContain('PRIVATE KEY');
});
