/** Signals to processes of containers: only to those that are meant. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createContainerProcesses, type ContainerProcesses } from '#agent/host/processes.ts';

const containerId = 'c0ffee';
let folder: string;
let told: string[];
let processes: ContainerProcesses;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-proc-'));
  mkdirSync(join(folder, 'self'));
  told = [];
  processes = createContainerProcesses({ folder, kill: (pid, signal) => void told.push(`${signal} ${pid}`) });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As the kernel shows it. */
function put(pid: number, { session, startTime = 100, group = `/docker/${containerId}` }: ProcessFacts): void {
  const fields = ['S', 1, session, session, 0, -1, ...Array.from({ length: 13 }, () => 0), startTime, 0, 0];
  mkdirSync(join(folder, String(pid)), { recursive: true });
  writeFileSync(join(folder, String(pid), 'stat'), `${pid} (a) b (c) ${fields.join(' ')}\n`);
  writeFileSync(join(folder, String(pid), 'cgroup'), `11:pids:${group}\n0::${group}\n`);
}

interface ProcessFacts {
  session: number;
  startTime?: number;
  group?: string;
}

it('finds a process of the container, and none of another or of none', async () => {
  put(10, { session: 10 });
  put(11, { session: 11, group: '/docker/another' });
  expect(await processes.find(10, containerId)).toEqual({ pid: 10, containerId, startTime: '100' });
  expect(await processes.find(11, containerId)).toBeUndefined();
  expect(await processes.find(12, containerId)).toBeUndefined();
});

it('tells all of the command’s session in the container, and nobody else', async () => {
  put(10, { session: 10 });
  put(11, { session: 10 });
  put(12, { session: 12 });
  put(13, { session: 10, group: '/system.slice/sshd.service' });
  expect(await processes.signalSession({ pid: 10, containerId, startTime: '100' }, 'SIGHUP')).toBe(2);
  expect(told.toSorted()).toEqual(['SIGHUP 10', 'SIGHUP 11']);
});

it('tells what is left of a session whose first process has ended', async () => {
  put(11, { session: 10 });
  expect(await processes.signalSession({ pid: 10, containerId, startTime: '100' }, 'SIGKILL')).toBe(1);
  expect(told).toEqual(['SIGKILL 11']);
});

it('tells nobody when the number is another process’s by now', async () => {
  put(10, { session: 10, startTime: 200 });
  expect(await processes.signalSession({ pid: 10, containerId, startTime: '100' }, 'SIGKILL')).toBe(0);
  expect(told).toEqual([]);
});
