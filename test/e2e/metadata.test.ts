/** What containers and people ask a real agent on its own machine, at an address that no other agent has. It needs root. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLinkLocal } from '#agent/host/link-local.ts';
import { machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { NetworkMode } from '#model/task-definition.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { testDockerHost } from '#test/support/docker-test-engine.ts';
import { buildProgram, freePort } from '#test/support/processes.ts';
import { testImage } from '#test/support/test-images.ts';

const address = `169.254.173.${1 + (process.pid % 250)}`;
const docker = new Docker({ socketPath: testDockerHost.replace('unix://', '') });
const patienceMs = 30_000;
/** This machine, as the neighbour sees it. */
const neighbourGateway = '10.231.7.1';
const anySubnet = expect.stringMatching(/^[\d.]+\/\d+$/);

let agent: AgentProcess;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  await buildProgram();
  agent = await openAgentProcess();
  environment = { BERTH_METADATA_ADDRESS: address, BERTH_INTROSPECTION_PORT: String(await freePort()) };
  agent.start(environment);
});

afterAll(async () => {
  await agent.close();
  await createLinkLocal({ address, port: 80, agentPort: 51_679, bridges: [] }).remove();
});

async function run(
  networkMode: NetworkMode,
  changes: Partial<ContainerDefinition> = {},
): Promise<{ task: string; id: string }> {
  const app: ContainerDefinition = {
    name: 'app',
    image: testImage,
    cpu: 16,
    memory: 32,
    command: [...programs.serves.command],
    stopTimeout: 2,
    ...changes,
  };
  const task = agent.control.run({ networkMode, cpu: '128', containerDefinitions: [app] });
  const running = await agent.control.until(task, ({ lastStatus }) => lastStatus === 'RUNNING');
  return { task, id: running.containers[0]?.runtimeId ?? '' };
}

/** Runs a line of shell in the container, and gives what it wrote. */
async function inside(id: string, line: string): Promise<string> {
  const exec = await docker.getContainer(id).exec({
    Cmd: ['/bin/sh', '-c', line],
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  const output = new PassThrough();
  docker.modem.demuxStream(stream, output, output);
  stream.once('end', () => output.end());
  return text(output);
}

/** With one try every 100 ms: an agent that was just started needs a moment. */
async function eventually<T>(what: string, look: () => Promise<T>, isWanted: (seen: T) => boolean): Promise<T> {
  async function tryOn(): Promise<T> {
    for (;;) {
      const seen = await look();
      if (isWanted(seen)) return seen;
      await systemClock.sleep(100);
    }
  }
  return deadline(systemClock, patienceMs, what, tryOn());
}

/** A neighbour on a link of its own, with a route to the address through this machine, as long as `look` looks. */
async function fromNeighbour<T>(look: (wget: (url: string) => Promise<boolean>) => Promise<T>): Promise<T> {
  const execute = promisify(execFile);
  const [space, here, there] = [`berth-md-${process.pid}`, `bmd-${process.pid}`, 'eth0'];
  const inSpace = ['-n', space];
  await execute('ip', ['netns', 'add', space]);
  try {
    await execute('ip', ['link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', space]);
    await execute('ip', ['addr', 'add', `${neighbourGateway}/30`, 'dev', here]);
    await execute('ip', ['link', 'set', here, 'up']);
    await execute('ip', [...inSpace, 'addr', 'add', '10.231.7.2/30', 'dev', there]);
    await execute('ip', [...inSpace, 'link', 'set', there, 'up']);
    await execute('ip', [...inSpace, 'route', 'add', address, 'via', neighbourGateway]);
    return await look(async (url) => {
      const wget = ['3', 'busybox', 'wget', '-qO-', url];
      const asked = execute('nsenter', [`--net=/run/netns/${space}`, 'timeout', ...wget]);
      return asked.then(
        () => true,
        () => false,
      );
    });
  } finally {
    await execute('ip', ['netns', 'del', space]);
  }
}

async function linkAddresses(): Promise<string> {
  const { stdout } = await promisify(execFile)('ip', ['-4', 'addr', 'show', 'dev', 'lo']);
  return stdout;
}

describe.each(['bridge', 'host', 'awsvpc'] as const)('a container in network mode %s', (networkMode) => {
  test('finds itself, its task and its figures', async () => {
    const { task, id } = await run(networkMode);
    const fetch = async (rest: string): Promise<unknown> =>
      JSON.parse(await inside(id, `wget -qO- "$ECS_CONTAINER_METADATA_URI_V4${rest}"`));
    const labels = expect.objectContaining({ [taskArnLabel]: task, [machineLabel]: expect.any(String) });
    const ip = await inside(id, `hostname -i`);
    const container = {
      DockerId: id,
      Name: 'app',
      Image: testImage,
      ImageID: expect.stringMatching(/^sha256:/),
      Labels: labels,
      DesiredStatus: 'RUNNING',
      KnownStatus: 'RUNNING',
      Limits: { CPU: 16, Memory: 32 },
      StartedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      Type: 'NORMAL',
      ContainerARN: `${task}/app`,
    };
    const network = networkMode === 'host' ? {} : { IPv4Addresses: [ip.trim()], IPv4SubnetCIDRBlock: anySubnet };
    expect(await fetch('')).toMatchObject({ ...container, Networks: [{ NetworkMode: networkMode, ...network }] });
    const shown = await fetch('/task');
    expect(shown).toMatchObject({
      Cluster: 'default',
      TaskARN: task,
      Family: 'e2e',
      Revision: '1',
      KnownStatus: 'RUNNING',
      Limits: { CPU: 0.125 },
      LaunchType: 'EC2',
      Containers: networkMode === 'awsvpc' ? [container, { Type: 'CNI_PAUSE' }] : [container],
    });
    const figures = await eventually(
      'figures',
      () => fetch('/stats'),
      (seen) => seen !== null,
    );
    expect(figures).toMatchObject({ id, memory_stats: { usage: expect.any(Number) } });
    expect(await fetch('/task/stats')).toMatchObject({ [id]: { id, cpu_stats: { online_cpus: expect.any(Number) } } });
    const version3 = JSON.parse(await inside(id, `wget -qO- "$ECS_CONTAINER_METADATA_URI/task"`));
    expect(version3).toMatchObject({ TaskARN: task });
    expect(version3).not.toHaveProperty('LaunchType');
  });
});

test('version 2 knows a container by its address', async () => {
  const { task, id } = await run('bridge');
  expect(JSON.parse(await inside(id, `wget -qO- http://${address}/v2/metadata`))).toMatchObject({ TaskARN: task });
});

test('unknown ids are not found', async () => {
  const { id } = await run('bridge');
  expect(await inside(id, `wget -qO- http://${address}/v4/0123456789abcdef 2>&1`)).toContain('404');
});

test('port 80 stays free for others', async () => {
  const other = createServer();
  const listening = once(other, 'listening');
  other.listen(80, address);
  await listening;
  try {
    const answer = await globalThis.fetch(`http://${address}/v4/none`);
    expect(answer.status).toBe(404);
  } finally {
    other.close();
  }
});

test('whoever asks too often is told so', async () => {
  const answers = await Promise.all(Array.from({ length: 120 }, () => globalThis.fetch(`http://${address}/v4/none`)));
  expect(answers.map(({ status }) => status)).toContain(429);
  // Others are served again as soon as the bucket fills.
  await eventually(
    'an answer after too many',
    async () => (await globalThis.fetch(`http://${address}/v4/none`)).status,
    (status) => status === 404,
  );
});

test('introspection finds a task by its short engine id', async () => {
  const { task, id } = await run('bridge');
  const url = `http://127.0.0.1:${environment['BERTH_INTROSPECTION_PORT']}`;
  const found = await (await globalThis.fetch(`${url}/v1/tasks?dockerid=${id.slice(0, 12)}`)).json();
  expect(found).toMatchObject({ Arn: task, KnownStatus: 'RUNNING', Containers: [{ DockerId: id, Name: 'app' }] });
  expect((await globalThis.fetch(`${url}/v1/tasks?dockerid=ffffffffffff`)).status).toBe(404);
  expect(await (await globalThis.fetch(`${url}/v1/metadata`)).json()).toMatchObject({ Cluster: 'default' });
});

test('a second agent on the same address serves nothing, and takes nothing from the first', async () => {
  const { id } = await run('bridge');
  const second = await openAgentProcess();
  try {
    second.start({ ...environment, BERTH_INTROSPECTION_PORT: '0' });
    await eventually(
      'a registration',
      async () => second.control.registrations(),
      (count) => count > 0,
    );
    expect(second.log()).toContain('tasks run without task metadata');
    expect(await second.stop()).toBe(0);
  } finally {
    await second.close();
  }
  expect(await inside(id, `wget -qO- "$ECS_CONTAINER_METADATA_URI_V4"`)).toContain(id);
});

test('a container keeps its URL when the agent is killed, or stopped, and started again', async () => {
  const { task, id } = await run('bridge');
  const ask = (): Promise<string> => inside(id, `wget -qO- "$ECS_CONTAINER_METADATA_URI_V4/task" 2>&1`);
  expect(await ask()).toContain(task);
  for (const end of [agent.kill, agent.stop]) {
    await end();
    expect(await ask()).not.toContain(task);
    expect(await linkAddresses()).toContain(address);
    agent.start(environment);
    expect(JSON.parse(await eventually('the same URL', ask, (seen) => seen.includes(task)))).toMatchObject({
      TaskARN: task,
      KnownStatus: 'RUNNING',
    });
  }
});

test('nobody else on the network gets an answer', async () => {
  const { id } = await run('bridge');
  const uri = (await inside(id, 'echo "$ECS_CONTAINER_METADATA_URI_V4"')).trim();
  const here = new URL(uri);
  here.port = '51679';
  await expect(globalThis.fetch(here)).resolves.toMatchObject({ status: 200 });
  await fromNeighbour(async (wget) => {
    const reachable = createHttpServer((_, response) => response.end('fine'));
    reachable.listen(0, neighbourGateway);
    await once(reachable, 'listening');
    const bound = reachable.address();
    try {
      expect(await wget(`http://${neighbourGateway}:${typeof bound === 'object' ? bound?.port : 0}/`)).toBe(true);
      expect(await wget(uri)).toBe(false);
      expect(await wget(here.href)).toBe(false);
    } finally {
      reachable.close();
    }
  });
});

test('an agent without tasks leaves nothing on the machine when it stops', async () => {
  const alone = await openAgentProcess();
  const other = '169.254.174.1';
  try {
    alone.start({ BERTH_METADATA_ADDRESS: other });
    await eventually('the address', linkAddresses, (seen) => seen.includes(other));
    await eventually(
      'a registration',
      async () => alone.control.registrations(),
      (count) => count > 0,
    );
    expect(await alone.stop()).toBe(0);
    expect(await linkAddresses()).not.toContain(other);
    const { stdout } = await promisify(execFile)('iptables-save');
    expect(stdout).not.toContain(other);
  } finally {
    await alone.close();
    await createLinkLocal({ address: other, port: 80, agentPort: 51_679, bridges: [] }).remove();
  }
});

test('a purge takes the address away with the last container', async () => {
  await agent.kill();
  expect(await linkAddresses()).toContain(address);
  const program = resolve(import.meta.dirname, '../../dist/main.js');
  const settings = {
    ...environment,
    BERTH_AGENT_TOKEN: 'unused',
    ECS_DATADIR: agent.folder,
    DOCKER_HOST: testDockerHost,
  };
  await promisify(execFile)(process.execPath, [program, 'agent', 'purge'], { env: { ...process.env, ...settings } });
  expect(await agent.containers()).toEqual([]);
  expect(await linkAddresses()).not.toContain(address);
});
