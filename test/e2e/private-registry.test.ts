/** Images of private registries: containers that name secrets, for which the machine's operator keeps credentials in a file. */
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  type ContainerDefinition,
  type Task,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';
import { startTestRegistry, type Login, type TestRegistry } from '#test/support/test-registry.ts';
import { testImageEntries } from '#test/support/test-images.ts';

const shopArn = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:registry/shop-a1B2c3';
const shop: Login = { username: 'shop', password: 'shop-pass-4711' };
const bank: Login = { username: 'bank', password: 'bank-pass-0815' };

let registry: TestRegistry;
let cell: RealCell;
let folder: string;
let file: string;

beforeAll(async () => {
  registry = await startTestRegistry(`private ${process.pid}`, { entries: await testImageEntries() });
  registry.behave({ logins: { shop, bank } });
  folder = await mkdtemp(join(tmpdir(), 'berth-registry-'));
  file = join(folder, 'credentials.json');
  await keep({ [shopArn]: shop, 'registry/bank': bank });
  cell = await openRealCell({
    agent: { ECS_IMAGE_PULL_BEHAVIOR: 'default', BERTH_REGISTRY_CREDENTIALS_FILE: file },
  });
});

afterAll(async () => {
  await cell.close();
  for (const { tags, digests } of await cell.engine.listImages()) {
    for (const name of [...tags, ...digests]) {
      if (name.startsWith(registry.address)) await cell.engine.removeImage(name);
    }
  }
  await registry.close();
  await rm(folder, { recursive: true });
});

async function keep(secrets: Record<string, Login>): Promise<void> {
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
}

function container(name: string, credentialsParameter?: string): ContainerDefinition {
  return {
    name: `${name}-${credentialsParameter === undefined ? 'without' : 'with'}`,
    image: `${registry.address}/${name}:${registry.tag}`,
    command: ['sleep', '3600'],
    memory: 16,
    linuxParameters: { initProcessEnabled: true },
    ...(credentialsParameter === undefined ? {} : { repositoryCredentials: { credentialsParameter } }),
  };
}

async function run(family: string, containerDefinitions: ContainerDefinition[]): Promise<string> {
  await cell.ecs.send(new RegisterTaskDefinitionCommand({ family, containerDefinitions }));
  const { tasks: [task] = [], failures } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: family }));
  expect(failures).toEqual([]);
  return task?.taskArn ?? '';
}

async function reached(arn: string, status: 'RUNNING' | 'STOPPED'): Promise<Task> {
  return eventually(`the task to be ${status}`, async () => {
    const task = await cell.task(arn);
    return task.lastStatus === status && task;
  });
}

async function runAndStop(family: string, containers: ContainerDefinition[]): Promise<Task> {
  const task = await run(family, containers);
  await reached(task, 'RUNNING');
  await cell.ecs.send(new StopTaskCommand({ task }));
  return reached(task, 'STOPPED');
}

test('two containers of a task have their images by two logins of one registry', async () => {
  const task = await runAndStop('both', [container('shop', shopArn), container('bank', 'registry/bank')]);
  const { digest: imageDigest } = registry;
  expect(task.containers).toMatchObject([{ imageDigest }, { imageDigest }]);
});

test('a renewed password needs no restart', async () => {
  const renewed = { ...shop, password: 'shop-pass-renewed' };
  registry.behave({ logins: { shop: renewed, bank } });
  await registry.push(`renewed ${process.pid}`);
  await keep({ [shopArn]: renewed, 'registry/bank': bank });
  await runAndStop('renewed', [container('shop', shopArn)]);
  expect(await cell.engine.inspectImage(`${registry.address}/shop:${registry.tag}`)).toMatchObject({
    digest: registry.digest,
  });
});

test('a wrong password is the reason', async () => {
  await keep({ 'registry/other': { ...bank, password: 'wrong-pass' } });
  registry.behave({ logins: { other: bank } });
  const task = await reached(await run('wrong', [container('other', 'registry/other')]), 'STOPPED');
  expect(task.stoppedReason).toMatch(/^CannotPullContainerAuthError: the registry wants other credentials: /);
});

test('a secret that the file lacks is named, with what to do', async () => {
  const task = await reached(await run('lacking', [container('shop', shopArn)]), 'STOPPED');
  expect(task.stoppedReason).toBe(
    `CannotPullContainerAuthError: there are no credentials to pull with: the secret ${shopArn} is not in ${file} of this machine; ` +
      'add it there, no restart is needed',
  );
});

test('a file that others may read is not used', async () => {
  await keep({ 'registry/bank': bank });
  await chmod(file, 0o644);
  const task = await reached(await run('open', [container('bank', 'registry/bank')]), 'STOPPED');
  expect(task.stoppedReason).toContain(`may be read or changed by others (mode 644); chmod 600 ${file}`);
  expect(await cell.agent.stop()).toBe(0);
  const refused = cell.startAgent();
  await eventually('the agent to refuse', async () => !refused.isRunning());
  expect(await refused.stop()).toBe(5);
  expect(await cell.logOf('agent')).toContain('BERTH_REGISTRY_CREDENTIALS_FILE: ');
  await chmod(file, 0o600);
  cell.agent = cell.startAgent();
});

test('the image is here, and a task without credentials does not get it', async () => {
  registry.behave({ logins: { shop, bank } });
  const owned = await eventually('the agent to be back', async () => {
    const { tasks: [task] = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'open' }));
    return task?.taskArn;
  });
  await reached(owned, 'RUNNING');
  expect(await cell.engine.inspectImage(`${registry.address}/bank:${registry.tag}`)).toBeDefined();
  const task = await reached(await run('without', [container('bank')]), 'STOPPED');
  expect(task.stoppedReason).toMatch(/^CannotPullContainerAuthError: /);
});

test('no password is in the log or in the journal', async () => {
  const state = join(cell.folder, 'agent');
  const texts = [await cell.logOf('agent'), await cell.logOf('control')];
  for (const entry of await readdir(state, { withFileTypes: true })) {
    if (entry.isFile()) texts.push(await readFile(join(state, entry.name), 'latin1'));
  }
  expect(texts.join('')).toContain(shopArn);
  for (const secret of ['shop-pass', 'bank-pass', 'wrong-pass']) expect(texts.join('')).not.toContain(secret);
});
