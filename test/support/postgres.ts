/**
 * A PostgreSQL server of the distribution's package for the time of a test file: data in a temporary folder, one Unix socket, no network. It never
 * runs as root, and the kernel ends it together with the process that started it, however that one ends.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { deadline, systemClock } from '#lib/clock.ts';

export interface PostgresServer {
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>;
  /** Where it listens. */
  readonly socket: string;
  /** Ends it, as an administrator would in a hurry: its clients' connections break. */
  shutDown(): Promise<void>;
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

interface OrdinaryUser {
  readonly uid: number;
  readonly gid: number;
}

const packagesFolder = '/usr/lib/postgresql';
const startDeadlineMs = 30_000;
const stopDeadlineMs = 10_000;
const superuser = 'berth';
const run = promisify(execFile);

export async function startPostgres(): Promise<PostgresServer> {
  const programs = programsFolder();
  const user = await ordinaryUser();
  const folder = mkdtempSync(join(tmpdir(), 'berth-postgres-'));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  let server: ChildProcess | undefined;
  try {
    const initdb = [join(programs, 'initdb'), '-D', data, '-U', superuser, '-A', 'trust', '--no-sync', '-E', 'UTF8'];
    await run('setpriv', [...switchTo(user), ...initdb, '--locale', 'C.UTF-8'], { cwd: folder });
    const command = ['--pdeathsig', 'INT', ...switchTo(user), ...serverCommand(programs, data, folder)];
    const start = async (): Promise<ChildProcess> => {
      server = spawn('setpriv', command, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
      await deadline(systemClock, startDeadlineMs, 'the start of PostgreSQL', ready(server));
      return server;
    };
    return controlOf(await start(), folder, start);
  } catch (error) {
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function programsFolder(): string {
  const versions = existsSync(packagesFolder) ? readdirSync(packagesFolder).map(Number).filter(Number.isFinite) : [];
  if (versions.length === 0) {
    throw new Error('these tests need PostgreSQL, which is not installed: run bin/dependencies test');
  }
  return join(packagesFolder, String(Math.max(...versions)), 'bin');
}

/** PostgreSQL refuses to run as root, so root runs it as the user that Debian's package made; undefined: as whoever runs the tests. */
async function ordinaryUser(): Promise<OrdinaryUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function switchTo(user: OrdinaryUser | undefined): string[] {
  if (user === undefined) return [];
  return ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
}

function serverCommand(programs: string, data: string, socketFolder: string): string[] {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    fsync: 'off',
    shared_buffers: '32MB',
    max_connections: '60',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return [join(programs, 'postgres'), '-D', data, ...flags];
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    server.stderr?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('ready to accept connections')) resolve();
    });
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`PostgreSQL did not start: ${output}`)));
  });
}

function controlOf(first: ChildProcess, folder: string, start: () => Promise<ChildProcess>): PostgresServer {
  let server = first;
  const urlOf = (database: string): string => `postgres://${superuser}@${encodeURIComponent(folder)}/${database}`;
  let made = 0;
  return {
    async createDatabase() {
      made += 1;
      const name = `test_${made}`;
      const client = new Client({ connectionString: urlOf('postgres') });
      await client.connect();
      try {
        await client.query(`create database ${name}`);
      } finally {
        await client.end();
      }
      return urlOf(name);
    },
    socket: join(folder, '.s.PGSQL.5432'),
    shutDown: () => end(server),
    async startAgain() {
      server = await start();
    },
    async stop() {
      try {
        await end(server);
      } finally {
        server.kill('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGINT');
  await deadline(systemClock, stopDeadlineMs, 'the end of PostgreSQL', exited);
}
