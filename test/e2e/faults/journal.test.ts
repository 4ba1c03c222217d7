/**
 * The journal cut at several lengths, overwritten, gone, unreadable by its mode, or of another version. What cannot be trusted is put aside and rebuilt from
 * the engine and from control; no container is ended for it, and none is made again. The registry refuses meanwhile: what runs needs no image.
 * Every length and place, without containers: test/unit/agent/state/journal-damage.test.ts.
 */
import { chmodSync, closeSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { int, seededRandom } from '#lib/random.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { testImageEntries } from '#test/support/test-images.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

const environment = { ECS_IMAGE_PULL_BEHAVIOR: 'always' };
let registry: TestRegistry;
let agent: AgentProcess;
let image = '';
let path = '';
let stays = '';

beforeAll(async () => {
  registry = await startTestRegistry(`journal ${process.pid}`, { entries: await testImageEntries() });
  image = `${registry.address}/journal:${registry.tag}`;
  agent = await openAgentProcess();
  path = join(agent.folder, 'journal.sqlite');
  agent.start(environment);
  stays = await running();
});

afterAll(async () => {
  await agent.close();
  await registry.close();
});

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

async function running(): Promise<string> {
  const app = { name: 'app', image, memory: 32, command: [...programs.serves.command], stopTimeout: 3 };
  const task = agent.control.run({ containerDefinitions: [app] });
  await agent.untilUp(task);
  return task;
}

/** Two tasks run, the agent is killed, one of them ends, `damage` is done, and the agent is started again. */
async function expectToGoOnAfter(damage: () => void): Promise<void> {
  registry.behave({});
  const [leaves, dies] = [await running(), await running()];
  const before = await agent.containers(stays);
  await agent.kill();
  await agent.engine.kill((await agent.containers(dies))[0]?.id ?? '', 'SIGKILL');
  damage();
  registry.behave({ manifestError: { status: 404, code: 'MANIFEST_UNKNOWN', message: 'gone' } });
  agent.start(environment);

  expect((await agent.control.until(dies, is('STOPPED'))).containers[0]?.exitCode).toBe(137);
  agent.control.stop(leaves);
  expect((await agent.control.until(leaves, is('STOPPED'))).containers[0]?.exitCode).toBe(143);
  expect(await agent.containers(stays)).toEqual(before);
  expect(agent.control.history(stays).some(is('STOPPED'))).toBe(false);
  for (const task of [leaves, dies]) {
    expect(await agent.containers(task)).toHaveLength(1);
    expect(agent.control.history(task).filter(is('STOPPED'))).toHaveLength(1);
  }
}

/** All in one file, as after an end in order. */
function gather(): void {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

function cutTo(length: (bytes: number) => number): () => void {
  return () => {
    gather();
    truncateSync(path, Math.floor(length(statSync(path).size)));
  };
}

function overwrite(at: (bytes: number) => number, bytes: number): () => void {
  return () => {
    gather();
    const random = seededRandom(1);
    const file = openSync(path, 'r+');
    const garbage = Buffer.from(Array.from({ length: bytes }, () => int(random, 0, 255)));
    writeSync(file, garbage, 0, bytes, Math.floor(at(statSync(path).size)));
    closeSync(file);
  };
}

function setVersion(version: number): number {
  const database = new DatabaseSync(path);
  const before = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  database.exec(`PRAGMA user_version = ${version}`);
  database.close();
  return before;
}

function putAside(): string[] {
  return readdirSync(agent.folder).filter((name) => /^journal\.sqlite\.damaged-\d+$/.test(name));
}

describe('a journal', () => {
  it.each([
    ['cut in its header', cutTo(() => 60)],
    ['cut after its first page', cutTo(() => 4096)],
    ['cut in the middle', cutTo((bytes) => bytes / 2)],
    ['that begins with garbage', overwrite(() => 0, 512)],
    ['with garbage in the middle', overwrite((bytes) => bytes / 2 - 2048, 4096)],
  ])('%s is put aside and rebuilt from engine and control', async (_, damage) => {
    const before = putAside();
    await expectToGoOnAfter(damage);
    expect(putAside()).toHaveLength(before.length + 1);
    expect(agent.log()).toContain('the journal is damaged and was put aside');
  });

  it.each([
    ['of no length', cutTo(() => 0)],
    ['that is gone', () => ['', '-wal', '-shm'].forEach((suffix) => rmSync(path + suffix, { force: true }))],
  ])('%s is rebuilt from engine and control', async (_, damage) => {
    await expectToGoOnAfter(damage);
  });

  it('whose newest part is cut goes on from what is whole', async () => {
    await expectToGoOnAfter(() => truncateSync(`${path}-wal`, Math.floor(statSync(`${path}-wal`).size / 2)));
  });

  it.each([
    ['for nobody', 0o000],
    ['for everybody', 0o777],
  ])('that is %s to read is its owner’s alone again', async (_, mode) => {
    await expectToGoOnAfter(() => chmodSync(path, mode));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('of a newer agent is left alone: this one ends, says what to do, and touches nothing', async () => {
    const before = await agent.containers(stays);
    await agent.kill();
    gather();
    const ours = setVersion(99);
    const { size } = statSync(path);
    agent.start(environment);
    expect(await agent.ended()).toBe(5);
    expect(agent.log()).toMatch(
      /written by a newer agent \(schema 99, this agent knows \d+\); install that version again/,
    );
    expect(statSync(path).size).toBe(size);
    expect(await agent.containers(stays)).toEqual(before);
    await expectToGoOnAfterVersion(ours);
  });
});

/** The version that it was written by is installed again. */
async function expectToGoOnAfterVersion(version: number): Promise<void> {
  setVersion(version);
  const sessions = agent.control.registrations();
  agent.start(environment);
  agent.control.stop(stays);
  expect((await agent.control.until(stays, is('STOPPED'))).containers[0]?.exitCode).toBe(143);
  expect(agent.control.registrations()).toBe(sessions + 1);
}
