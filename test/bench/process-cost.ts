/** What processes cost, as the kernel accounts for it: resident memory, by its kinds, and processor time. */
import { readFile } from 'node:fs/promises';
import { systemClock } from '#lib/clock.ts';

export interface Memory {
  residentMiB: number;
  /** The most it ever was. */
  peakMiB: number;
  /** The process's own: heaps and stacks. */
  anonymousMiB: number;
  /** Of files, here mostly of Node's own program: all processes that run it share these pages. */
  fileMiB: number;
}

export interface Idle {
  residentMiB: number;
  /** Share of one core, in percent. */
  cpuPercent: number;
}

/** The kernel's clock ticks; 100 a second on every Linux a Node runs on (`getconf CLK_TCK`). */
const ticksPerSecond = 100;

export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Fields behind the command's closing parenthesis: state is the third, utime the 14th, stime the 15th (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'mu').exec(status)?.[1]) / 1024;
  return {
    residentMiB: mebibytes('VmRSS'),
    peakMiB: mebibytes('VmHWM'),
    anonymousMiB: mebibytes('RssAnon'),
    fileMiB: mebibytes('RssFile'),
  };
}

async function sum(pids: readonly number[], measure: (pid: number) => Promise<number>): Promise<number> {
  const values = await Promise.all(pids.map(measure));
  return values.reduce((total, value) => total + value, 0);
}

/** Rests for `seconds`; the memory is that at their end. */
export async function measureIdle(pids: readonly number[], seconds: number): Promise<Idle> {
  const before = await sum(pids, cpuSeconds);
  const began = performance.now();
  await systemClock.sleep(seconds * 1000);
  const used = (await sum(pids, cpuSeconds)) - before;
  const residentMiB = await sum(pids, async (pid) => (await memoryOf(pid)).residentMiB);
  return { residentMiB, cpuPercent: (100 * used) / ((performance.now() - began) / 1000) };
}
