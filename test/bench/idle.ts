/** What control and agent cost while nothing happens: resident memory and processor time, as the kernel accounts for them. */
import { readFile } from 'node:fs/promises';
import { systemClock } from '#lib/clock.ts';

export interface Idle {
  residentMiB: number;
  /** Share of one core, in percent. */
  cpuPercent: number;
}

/** The kernel's clock ticks; 100 a second on every Linux a Node runs on (`getconf CLK_TCK`). */
const ticksPerSecond = 100;

async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Fields behind the command's closing parenthesis: state is the third, utime the 14th, stime the 15th (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1]) / 1024;
}

async function sum(pids: readonly number[], measure: (pid: number) => Promise<number>): Promise<number> {
  const values = await Promise.all(pids.map(measure));
  return values.reduce((total, value) => total + value, 0);
}

export async function measureIdle(pids: readonly number[], seconds: number): Promise<Idle> {
  const before = await sum(pids, cpuSeconds);
  const began = performance.now();
  await systemClock.sleep(seconds * 1000);
  const used = (await sum(pids, cpuSeconds)) - before;
  return { residentMiB: await sum(pids, residentMiB), cpuPercent: (100 * used) / ((performance.now() - began) / 1000) };
}
