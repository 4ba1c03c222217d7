/** Task protection as programs in containers use it: over the agent's endpoint, on a real engine, with the stock SDK looking on. It needs root. */
import { PassThrough } from 'node:stream';
import { CreateServiceCommand, GetTaskProtectionCommand, UpdateServiceCommand, type Task } from '@aws-sdk/client-ecs';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLinkLocal } from '#agent/host/link-local.ts';
import { systemClock } from '#lib/clock.ts';
import { berthFor, type BerthProgram } from '#test/support/berth-program.ts';
import { programs } from '#test/support/container-programs.ts';
import { testDockerHost } from '#test/support/docker-test-engine.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

const address = `169.254.175.${1 + (process.pid % 250)}`;
const docker = new Docker({ socketPath: testDockerHost.replace('unix://', '') });
let cell: RealCell;
let berth: BerthProgram['berth'];

beforeAll(async () => {
  cell = await openRealCell({ agent: { BERTH_METADATA_ADDRESS: address } });
  ({ berth } = berthFor(cell));
});

afterAll(async () => {
  await cell.close();
  await createLinkLocal({ address, port: 80, agentPort: 51_679, bridges: [] }).remove();
});

/** What the endpoint answers to a request from inside the task: status and body. */
async function ask(task: Task, method: 'GET' | 'PUT', body = ''): Promise<{ status: number; json: unknown }> {
  const head = `${method} /$path/task-protection/v1/state HTTP/1.0\\r\\nContent-Length: ${body.length}`;
  const request = `${head}\\r\\n\\r\\n${body.replaceAll('"', '\\"')}`;
  // Whoever closes its side before the answer gets none.
  const script = `path=\${ECS_AGENT_URI#http://*/}; { printf "${request}"; sleep 8; } | nc ${address} 80`;
  const exec = await docker.getContainer(task.containers?.[0]?.runtimeId ?? '').exec({
    Cmd: ['/bin/sh', '-c', script],
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  const output = new PassThrough();
  docker.modem.demuxStream(stream, output, output);
  stream.once('end', () => output.end());
  let answer = '';
  for await (const chunk of output) {
    answer += String(chunk);
    const [, status, length, json = ''] =
      /^HTTP\S+ (\d+)[^]*content-length: (\d+)[^]*\r\n\r\n([^]*)$/iu.exec(answer) ?? [];
    if (json !== '' && json.length === Number(length)) return { status: Number(status), json: JSON.parse(json) };
  }
  throw new Error(`no answer but ${JSON.stringify(answer)}`);
}

async function runningTasks(serviceName: string, count: number): Promise<Task[]> {
  return eventually(`${count} RUNNING tasks of ${serviceName}`, async () => {
    const tasks = await cell.tasks({ serviceName });
    return tasks.length === count && tasks.every((task) => task.lastStatus === 'RUNNING') && tasks;
  });
}

const idOf = ({ taskArn }: Task): string => (taskArn ?? '').slice(-32);

test('a task that protects itself outlives a scale-in and a deployment, until it gives that up', async () => {
  const taskDefinition = await cell.register('worker', { command: [...programs.serves.command] });
  const service = 'worker';
  await cell.ecs.send(new CreateServiceCommand({ serviceName: service, taskDefinition, desiredCount: 2 }));
  const [busy, idle] = await runningTasks(service, 2);
  if (busy === undefined || idle === undefined) throw new Error('two tasks were expected');
  const { taskArn = '' } = busy;

  expect(await ask(busy, 'GET')).toEqual({
    status: 200,
    json: { protection: { ExpirationDate: null, ProtectionEnabled: false, TaskArn: taskArn } },
  });
  expect(await ask(busy, 'PUT', '{"ProtectionEnabled":true,"ExpiresInMinutes":30}')).toEqual({
    status: 200,
    json: {
      protection: { ExpirationDate: expect.stringMatching(/^\d{4}-.*\dZ$/), ProtectionEnabled: true, TaskArn: taskArn },
    },
  });
  const asked = new GetTaskProtectionCommand({ cluster: 'default', tasks: [taskArn, idOf(idle)] });
  const { protectedTasks = [], failures } = await cell.ecs.send(asked);
  expect(failures).toEqual([]);
  expect(protectedTasks).toMatchObject([{ taskArn, protectionEnabled: true }, { protectionEnabled: false }]);
  const left = Number(protectedTasks[0]?.expirationDate) - systemClock.now();
  expect(left).toBeGreaterThan(29 * 60_000);
  expect(left).toBeLessThanOrEqual(30 * 60_000);
  expect((await berth('task', 'list')).out).toMatch(/PROTECTED[\s\S]*29m \d+s/u);
  expect((await berth('task', 'show', idOf(busy))).out).toMatch(/protected: +for 29m/u);

  await cell.ecs.send(new UpdateServiceCommand({ service, desiredCount: 0 }));
  await eventually('the other task to stop', async () => (await cell.task(idOf(idle))).lastStatus === 'STOPPED');
  await eventually('the service to say why the other one stays', async () => {
    const { events = [] } = await cell.service(service);
    return events.some(({ message }) => message?.includes('(reason 1 tasks under protection)'));
  });
  expect((await cell.task(taskArn)).desiredStatus).toBe('RUNNING');

  await cell.ecs.send(new UpdateServiceCommand({ service, desiredCount: 1, forceNewDeployment: true }));
  await runningTasks(service, 2);
  const why = await eventually('the deployment to say what it waits for', async () => {
    const { deployments = [] } = await cell.service(service);
    const reason = deployments[0]?.rolloutStateReason ?? '';
    return reason.includes('the protection of 1 tasks to end, at the latest at ') && reason;
  });
  expect((await berth('service', 'list')).out).toContain(why);
  expect((await cell.task(taskArn)).desiredStatus).toBe('RUNNING');

  expect(await ask(busy, 'PUT', '{"ProtectionEnabled":false}')).toMatchObject({
    status: 200,
    json: { protection: { ProtectionEnabled: false } },
  });
  const ended = await eventually('the task to stop', async () => {
    const task = await cell.task(taskArn);
    return task.lastStatus === 'STOPPED' && task;
  });
  expect(ended).toMatchObject({ stopCode: 'ServiceSchedulerInitiated' });
  await eventually('the deployment to complete', async () => {
    const { deployments = [] } = await cell.service(service);
    return deployments.length === 1 && deployments[0]?.rolloutState === 'COMPLETED';
  });
});

test('the command line protects and unprotects, and says why it cannot', async () => {
  const taskDefinition = await cell.register('shop', { command: [...programs.serves.command] });
  await cell.ecs.send(new CreateServiceCommand({ serviceName: 'shop', taskDefinition, desiredCount: 1 }));
  const [task] = await runningTasks('shop', 1);
  if (task === undefined) throw new Error('a task was expected');
  const { out } = await berth('task', 'protect', idOf(task), '--for', '90m');
  expect(out).toMatch(/is protected for 1h (29m|30m)/u);
  expect((await berth('task', 'unprotect', idOf(task))).out).toContain('is not protected');
  const refused = (why: string) => ({
    code: expect.toSatisfy((code) => code !== 0),
    err: expect.stringContaining(why),
  });
  expect(await berth('task', 'protect', idOf(task), '--for', '49h')).toMatchObject(refused('from 1m to 48h'));
  const standalone = (await berth('run', 'shop')).out.trim();
  expect(await berth('task', 'protect', standalone)).toMatchObject(refused('TASK_NOT_VALID'));
});

test('without control a task is told so in time', async () => {
  const [task] = await runningTasks('shop', 1);
  if (task === undefined) throw new Error('a task was expected');
  await cell.control.stop();
  const askedAt = systemClock.now();
  expect(await ask(task, 'PUT', '{"ProtectionEnabled":true}')).toMatchObject({
    status: 504,
    json: { error: { Code: 'RequestCanceled', Arn: task.taskArn } },
  });
  expect(systemClock.now() - askedAt).toBeLessThan(6000);
  cell.control = cell.startControl();
  await cell.untilReady();
  await eventually('an answer', async () => (await ask(task, 'GET')).status === 200);
});
