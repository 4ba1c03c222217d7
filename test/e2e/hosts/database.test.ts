/**
 * The database of control away, in three ways: PostgreSQL is restarted, PostgreSQL cannot be reached, the disk of a SQLite file is full. Control answers that it
 * cannot, and goes on by itself when it can again; nothing that runs is disturbed, and what ended meanwhile is replaced then.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { layLine, type CuttableLine } from '#test/support/cuttable-line.ts';
import { fill } from '#test/support/full-disk.ts';
import { openFleet, type Fleet } from '#test/support/hosts/fleet.ts';
import { startWeb, undisturbed, untilConverged } from '#test/support/hosts/service.ts';
import { measured } from '#test/support/measured.ts';
import { startPostgres, type PostgresServer } from '#test/support/postgres.ts';
import { eventually } from '#test/support/real-cell.ts';

const execute = promisify(execFile);
const tasks = 4;
const outageMs = 8000;

async function isReady(fleet: Fleet): Promise<boolean> {
  return (await fetch(`${fleet.url}/readyz`)).ok;
}

/** Whether a change is answered with an error of the server. */
async function isRefused(fleet: Fleet): Promise<boolean> {
  try {
    // More than a file has room for that is full.
    await fleet.register('bulk', { environment: [{ name: 'BULK', value: 'x'.repeat(50_000) }] });
    return false;
  } catch (error) {
    return error instanceof Error && error.name === 'ServerException';
  }
}

/** One container ends while the database is away: the others go on, and it is replaced when the database is back. */
async function expectOutageIsSurvived(
  what: string,
  fleet: Fleet,
  outage: { begin(): Promise<void>; isNoticed(): Promise<boolean>; end(): Promise<void> },
): Promise<void> {
  const [victim, ...others] = await fleet.running();
  await outage.begin();
  await eventually('control to notice', outage.isNoticed);
  const ofVictim = fleet.hosts.find(({ name }) => name === victim?.host);
  await ofVictim?.engine.kill(victim?.id ?? '', 'SIGKILL');
  await systemClock.sleep(outageMs);
  const meanwhile = await fleet.running();
  expect(meanwhile).toHaveLength(others.length);
  expect(undisturbed(others, meanwhile)).toEqual(others);

  await outage.end();
  const endedAt = systemClock.now();
  await eventually('control to be ready', () => isReady(fleet));
  measured(`${what}: control is ready`, systemClock.now() - endedAt);
  const after = await untilConverged(fleet, 120_000);
  measured(`${what}: what ended meanwhile is replaced`, systemClock.now() - endedAt);
  expect(after).toHaveLength(tasks);
  expect(undisturbed(others, after)).toEqual(others);
  expect(fleet.control.isRunning()).toBe(true);
}

describe('PostgreSQL', () => {
  let postgres: PostgresServer;
  let line: CuttableLine;
  let fleet: Fleet;
  beforeAll(async () => {
    postgres = await startPostgres();
    line = await layLine(postgres.socket);
    const database = (await postgres.createDatabase()).split('/').at(-1) ?? '';
    fleet = await openFleet({
      hosts: 2,
      control: { BERTH_STORE: `postgres://berth@127.0.0.1:${line.port}/${database}` },
    });
    await startWeb(fleet, tasks);
  });
  afterAll(async () => {
    line.mend();
    await fleet.close();
    await line.close();
    await postgres.stop();
  });

  it('that is restarted', () =>
    expectOutageIsSurvived('PostgreSQL restarted', fleet, {
      begin: () => postgres.shutDown(),
      isNoticed: async () => !(await isReady(fleet)) && (await isRefused(fleet)),
      end: () => postgres.startAgain(),
    }));

  it('that cannot be reached', () =>
    expectOutageIsSurvived('PostgreSQL cut off', fleet, {
      begin: async () => line.cut(),
      // Who asks it for something is kept waiting for up to 20 s and then refused.
      isNoticed: async () => !(await isReady(fleet)),
      end: async () => line.mend(),
    }));
});

describe('a full disk under SQLite', () => {
  let folder: string;
  let filler: string;
  let fleet: Fleet;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-full-'));
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]);
    fleet = await openFleet({ hosts: 2, control: { BERTH_HOME: folder } });
    await startWeb(fleet, tasks);
  });
  afterAll(async () => {
    await fleet.close();
    await execute('umount', [folder]);
    rmdirSync(folder);
  });

  it('is survived', () =>
    expectOutageIsSurvived('disk full', fleet, {
      begin: async () => {
        filler = fill(folder);
      },
      // What can be read is read.
      isNoticed: () => isRefused(fleet),
      end: async () => rmSync(filler),
    }));
});
